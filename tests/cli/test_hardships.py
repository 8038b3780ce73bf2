"""A world that is short of something: one sentence, exit status 3, and nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOCKSCOPE = [sys.executable, "-m", "lockscope"]


def shell(cwd: Path, line: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", line, "sh", *LOCKSCOPE]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("limit", "words", "why"),
    [
        ("ulimit -f 8", "run -o here", "File too large"),
        ("ulimit -f 8", "run", "File too large"),
        ("ulimit -f 8", "trace -o here -- touch ran", "File too large"),
        ("ulimit -n 12", "run -o here", "Too many open files"),
        ("ulimit -n 12", "run", "Too many open files"),
    ],
)
def test_what_cannot_begin_leaves_nothing(limit: str, words: str, why: str, tmp_path: Path) -> None:
    line = f'{limit}; exec "$@" {words}'
    done = shell(tmp_path, line)
    assert (done.returncode, done.stdout) == (3, "")
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ["run", "trace -- true", "report", "check"])
def test_a_working_folder_that_is_gone_is_told(words: str, tmp_path: Path) -> None:
    done = shell(tmp_path, f'mkdir gone; cd gone; rmdir ../gone; exec "$@" {words}')
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "lockscope: The working folder cannot be used: No such file or directory. "
        "Change to another one.\n"
    )


INTERRUPTED = """
import os, signal, sys

loading = sys.argv.pop(1)

class Interrupting:
    def find_spec(self, name, *_):
        if name == loading:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from lockscope.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("lockscope.cli", ["check"]),
        ("argparse", ["check"]),
        ("lockscope.cli.check", ["check"]),
        ("lockscope.errors", ["run"]),
        ("lockscope.cli.trace", ["trace", "--", "true"]),
        ("numpy", ["report"]),
    ],
)
def test_ctrl_c_while_it_loads_is_a_sentence(module: str, words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, module, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = "lockscope: interrupted; nothing was left running.\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", told)
    assert list(tmp_path.iterdir()) == []
