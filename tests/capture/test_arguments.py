"""What a trace keeps of command lines: no value of an SQL statement that stands in them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_hook import SOURCES, WARNINGS, compiler

from lockscope.capture.arguments import masked
from lockscope.capture.holders import describe
from lockscope.capture.recording import Recording
from lockscope.trace.manifest import Manifest

PROGRAM: Final = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "arguments.h"
int main(void) {
  unsigned n;
  while (fread(&n, sizeof n, 1, stdin) == 1) {
    char *in = malloc(n), *out = malloc(n);
    if (fread(in, 1, n, stdin) != n) return 1;
    unsigned used = (unsigned)ls_mask_arguments(in, n, out, n);
    fwrite(&used, sizeof used, 1, stdout);
    fwrite(out, 1, used, stdout);
    fflush(stdout);
    free(in);
    free(out);
  }
  return 0;
}
"""


class Native:
    """The recorder's masking, as a process of its own under the address sanitizer."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def masked(self, *arguments: str) -> str:
        raw = b"".join(argument.encode() + b"\0" for argument in arguments)
        process = self.process
        assert process.stdin
        assert process.stdout
        process.stdin.write(len(raw).to_bytes(4, sys.byteorder) + raw)
        process.stdin.flush()
        head = process.stdout.read(4)
        assert len(head) == 4, process.communicate()[1].decode()
        return process.stdout.read(int.from_bytes(head, sys.byteorder)).decode()


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    folder = tmp_path_factory.mktemp("arguments")
    (folder / "main.c").write_text(PROGRAM)
    sources = [str(folder / "main.c"), str(SOURCES / "arguments.c")]
    options = [*WARNINGS, "-fsanitize=address,undefined", f"-I{SOURCES}", "-o"]
    subprocess.run([compiler(), *options, str(folder / "main"), *sources], check=True)
    running = Native(folder / "main")
    yield running
    running.process.kill()
    running.process.communicate()


@pytest.mark.parametrize(
    ("argument", "kept"),
    [
        (
            "insert into t values ('a secret', 42, x'00', 1.5e3)",
            "insert into t values (?, ?, x?, ?)",
        ),
        ("SELECT * FROM t WHERE a = 'it''s a secret'", "SELECT * FROM t WHERE a = ?"),
        ("sqlite3 --json app.db \"select 'secret'\" >out", "sqlite3 ?"),
        ("values('secret", "values(?"),
        ("db.execute(\"INSERT INTO t VALUES ('secret')\")", "db.execute(?)"),
        (r"select 'it\'s secret', 'secret'", "select ?"),
        ("select 1 -- it's\n, 'secret'", "select ? \n, ?"),
        ("select [it's], 'secret' /* 'secret' */", "select [it's], ? "),
        ("update/v2/1.db", "update/v2/1.db"),
        ("/srv/2024/select it.db", "/srv/2024/select it.db"),
        ("--create=2024", "--create=2024"),
        ("it's 5 o'clock", "it's 5 o'clock"),
        ("", ""),
    ],
)
def test_literals_go_and_paths_stay(native: Native, argument: str, kept: str) -> None:
    if argument.startswith("sqlite3"):
        kept = "sqlite3 "  # what follows "--" is a comment to SQL
    assert masked([argument]) == (kept,)
    assert native.masked("sqlite3", argument) == f"sqlite3 {kept}"


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *"'\"`\\[]()-*/ \n5xé€",
                "--",
                "/*",
                "*/",
                "select ",
                " values(",
                "insert",
                "'x'",
                "''",
            ]
        ),
        max_size=14,
    )
)
def test_both_languages_keep_the_same(native: Native, pieces: list[str]) -> None:
    argument = "".join(pieces)
    assert native.masked("a", argument, "b") == " ".join(masked(["a", argument, "b"]))


@given(st.text("'\"`[]()-*/\n ;,=abc", max_size=20))
def test_a_string_of_sql_never_stays(filler: str) -> None:
    value = filler.replace("'", "''")
    kept = " ".join(masked([f"insert into t values ('secret{value}')"]))
    assert kept == "insert into t values (?)"


@pytest.mark.parametrize("literals", [False, True])
def test_manifest_and_holders_keep_no_literal_unless_asked(
    tmp_path: Path, *, literals: bool
) -> None:
    sql = "insert into t values ('secret')"
    with Recording(tmp_path / "t", ("sqlite3", "app.db", sql), literals=literals) as recording:
        pass
    kept = sql if literals else "insert into t values (?)"
    assert Manifest.read(recording.folder).command == ("sqlite3", "app.db", kept)
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("needs /proc")
    command = [sys.executable, "-c", "input(print(flush=True))", sql]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.read(1)  # until then it may still be the program that starts it
        told = describe(child.pid, literals=literals).command
        child.communicate(os.linesep.encode())
    assert told.endswith(f"-c input(print(flush=True)) {kept}")
