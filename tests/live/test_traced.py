"""Exact times, statements and lines of processes that are being recorded at this moment."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventually import eventually
from lockscope.capture.preload import missing_sentence
from lockscope.capture.recording import Recording
from lockscope.live.files import DatabaseFile
from lockscope.live.holding import Held
from lockscope.live.model import Holder, Snapshot
from lockscope.live.snapshot import who
from lockscope.live.traced import recorded
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot

pytestmark = pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence() or "native")

_HOLDER = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=600, isolation_level=None)
connection.execute("PRAGMA journal_mode").fetchall()
connection.execute(
    "BEGIN IMMEDIATE"
)
print("held", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    connection.execute("UPDATE t SET x = x + 1 WHERE x > 1000").fetchall()
print("worked", flush=True)
sys.stdin.read()
"""
_HOLDS_AT = 4
_WAITER = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=600, isolation_level=None)
connection.execute("SELECT count(*) FROM t").fetchall()
connection.execute("INSERT INTO t VALUES (42)")
"""
_WAITS_AT = 4


@pytest.fixture(params=["delete", "wal"])
def database(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode = {request.param}")
    connection.execute("CREATE TABLE t(x)")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.close()
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    with Recording(tmp_path / "r.trace", ("tests",)) as running:
        yield running


@contextmanager
def _traced(
    recording: Recording, database: Path, source: str, *words: str
) -> Iterator[subprocess.Popen[str]]:
    """A program that is recorded; it is killed at the end."""
    program = database.parent / f"{len(source)}.py"
    program.write_text(source)
    with subprocess.Popen(
        [sys.executable, program, database, *words],
        env=recording.environment(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _says(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n"


def _look(database: Path) -> Snapshot:
    return who(database, stack=False)


def _holder(database: Path) -> Holder:
    [holder] = _look(database).holders
    return holder


def test_a_holder_is_told_with_its_statement_line_and_time(
    database: Path, recording: Recording
) -> None:
    began_ns = time.monotonic_ns()
    with _traced(recording, database, _HOLDER, "0") as process:
        _says(process, "held")
        held_ns = time.monotonic_ns()
        least_s = (time.monotonic_ns() - held_ns) / 1e9
        holder = _holder(database)
        longest_s = (time.monotonic_ns() - began_ns) / 1e9
    assert holder.held_how == "exact"
    assert holder.held_s is not None
    assert least_s <= holder.held_s <= longest_s
    assert holder.statement == "BEGIN IMMEDIATE"
    assert holder.source == f"{database.parent / f'{len(_HOLDER)}.py'}:{_HOLDS_AT}"


def test_work_inside_the_transaction_does_not_move_its_beginning(
    database: Path, recording: Recording
) -> None:
    with _traced(recording, database, _HOLDER, "2000") as process:
        _says(process, "held")
        before_ns = time.monotonic_ns()
        assert process.stdin is not None
        print(file=process.stdin, flush=True)
        _says(process, "worked")
        worked_s = (time.monotonic_ns() - before_ns) / 1e9
        holder = _holder(database)
    assert holder.held_s is not None
    assert holder.held_s >= worked_s
    assert holder.statement == "BEGIN IMMEDIATE"


def test_a_waiter_is_told_with_its_statement_line_and_tries(
    database: Path, recording: Recording
) -> None:
    with _traced(recording, database, _HOLDER, "0") as holder:
        _says(holder, "held")
        began_ns = time.monotonic_ns()
        with _traced(recording, database, _WAITER) as waiting:
            seen = eventually(
                lambda: _look(database),
                lambda snapshot: any(
                    not waiter.inferred and (waiter.waited_s or 0) > 0.2
                    for waiter in snapshot.waiters
                ),
            )
            longest_s = (time.monotonic_ns() - began_ns) / 1e9
    [waiter] = seen.waiters
    assert waiter.process.pid == waiting.pid
    assert waiter.blockers == (holder.pid,)
    assert waiter.wants == ("WAL WRITE" if seen.is_wal else "RESERVED")
    assert waiter.waited_s is not None
    assert waiter.waited_s <= longest_s
    assert waiter.statement == "INSERT INTO t VALUES (?)"
    assert waiter.source == f"{database.parent / f'{len(_WAITER)}.py'}:{_WAITS_AT}"
    assert "tries" in waiter.how


def test_a_lock_that_was_given_up_since_has_no_grant(database: Path, recording: Recording) -> None:
    """The list of locks was read a moment before the trace."""
    with _traced(recording, database, _HOLDER, "0") as process:
        _says(process, "held")
        status = database.stat()
        stale = Held(process.pid, ((Slot.WAL_CKPT, LockMode.EXCLUSIVE),), (), is_wal=True)
        file = DatabaseFile(str(database), status.st_dev, status.st_ino, status.st_size)
        told = recorded(process.pid, stale, (file, None))
    assert told is not None
    assert told.grant is None
    assert told.episode is None


def test_a_process_that_is_not_recorded_has_no_trace() -> None:
    assert recorded(os.getpid(), None, (None, None)) is None
