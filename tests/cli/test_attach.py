"""`lockscope trace --database`: what programs that already run do, and what it is told with."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holders import held_by, write_transaction

LOCKSCOPE = (sys.executable, "-m", "lockscope")

pytestmark = pytest.mark.skipif(
    not Path("/proc/locks").exists(), reason="no /proc/locks on this system"
)


def attached(cwd: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LOCKSCOPE, "trace", "-o", "t.trace", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def report(cwd: Path) -> dict[str, Any]:
    done = subprocess.run(
        [*LOCKSCOPE, "report", "t.trace", "--json"],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_running_programs_lock_is_recorded_with_its_confidence(tmp_path: Path) -> None:
    with held_by(*write_transaction(tmp_path / "a.db")) as holder:
        done = attached(tmp_path, "--database", "a.db", "--for", "300ms")
    assert (done.returncode, done.stdout) == (0, "")
    assert "a shorter hold may be missed" in " ".join(done.stderr.split())
    assert "Who waits cannot be seen so" in done.stderr
    assert "Nobody waited" not in done.stderr
    document = report(tmp_path)
    assert {(hold["pid"], hold["resource"]) for hold in document["holds"]} == {
        (holder.pid, "a.db RESERVED"),
        (holder.pid, "a.db SHARED"),
    }
    assert document["sampling"]["alone"]
    assert document["sampling"]["samples"] > 3
    assert document["gaps"] == []


def test_several_databases_and_a_wal_are_sampled(tmp_path: Path) -> None:
    wal = ["PRAGMA journal_mode=WAL", "CREATE TABLE t(x)"]
    setup = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); [c.execute(s) for s in %r]"
    subprocess.run([sys.executable, "-c", setup % wal, tmp_path / "w.db"], check=True)
    with (
        held_by(*write_transaction(tmp_path / "a.db")),
        held_by(*write_transaction(tmp_path / "w.db")),
    ):
        attached(tmp_path, "--database", "a.db", "--database", "w.db", "--for", "200ms", "-q")
    resources = {hold["resource"] for hold in report(tmp_path)["holds"]}
    assert {"a.db RESERVED", "w.db WAL WRITE"} <= resources


def test_ctrl_c_ends_it_with_what_was_seen(tmp_path: Path) -> None:
    with (
        held_by(*write_transaction(tmp_path / "a.db")) as holder,
        subprocess.Popen(
            [*LOCKSCOPE, "trace", "-o", "t.trace", "--database", "a.db"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        ) as running,
    ):
        wait_until_sampled(tmp_path / "t.trace")
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        told = " ".join(running.stderr.read().split())
        assert running.wait() == 0
    assert f"{holder.pid} (" in told
    assert "a.db RESERVED" in told


def wait_until_sampled(trace: Path, word: bytes = b"BEGIN IMMEDIATE") -> None:
    """Until the sampler has described a holder, whose command line is in its texts."""
    while not any(word in text.read_bytes() for text in trace.glob("*sampler.text")):
        pass


def test_a_database_that_is_replaced_is_followed_and_told(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    with (
        held_by(*write_transaction(database)) as first,
        subprocess.Popen(
            [*LOCKSCOPE, "trace", "-o", "t.trace", "--database", "a.db"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        ) as running,
    ):
        wait_until_sampled(tmp_path / "t.trace")
        shutil.copy(database, tmp_path / "new.db")
        (tmp_path / "new.db").replace(database)
        with held_by(*write_transaction(database), "the second") as second:
            wait_until_sampled(tmp_path / "t.trace", b"the second")
            running.send_signal(signal.SIGINT)
            assert running.stderr is not None
            told = running.stderr.read()
    assert "a.db was replaced by another file" in " ".join(told.split())
    holders = {h["pid"] for h in report(tmp_path)["holds"] if h["resource"] == "a.db RESERVED"}
    assert holders == {first.pid, second.pid}


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["--database", "none.db", "--for", "1"], 3, "none.db does not exist"),
        (["--database", ".", "--for", "1"], 3, "is not a file: give the path of a database"),
        (["--database", "a.db", "--rate", "0"], 2, "is not a rate"),
        (["--database", "a.db", "--rate", "fast"], 2, "is not a rate"),
        (["--database", "a.db", "--for", "-1"], 2, "is not a duration"),
        (["--database", "a.db", "--for", "soon"], 2, "is not a duration"),
        (["--database", "a.db", "--", "true"], 2, "a command or --database, not both"),
        (["--database", "a.db", "--literals"], 2, "do not go with --database"),
        (["--for", "1s", "--", "true"], 2, "--for and --rate go with --database"),
    ],
)
def test_mistakes_get_one_sentence(
    words: list[str], status: int, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "a.db").touch()
    done = attached(tmp_path, *words)
    assert (done.returncode, sentence in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]
