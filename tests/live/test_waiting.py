"""Who waits: real waiters of three kinds, and programs that only look like one."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventually import eventually
from holders import COMPILER, held_by, needs_compiler, write_transaction
from lockscope.live.busy_handler import busy_sleep
from lockscope.live.model import Snapshot, Waiter
from lockscope.live.snapshot import who
from lockscope.live.system_calls import _TABLES

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/syscall").exists() or os.uname().machine not in _TABLES,
    reason="the kernel shows no system calls here",
)

_NOBODY = 65534
_WAITER = Path(__file__).parent / "waiter.c"
_PYTHON = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=600, isolation_level=None)
connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
print("begun", flush=True)
connection.execute("BEGIN IMMEDIATE")
print("granted", flush=True)
"""
_PYTHON_THAT_SLEEPS = """\
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
print("begun", flush=True)
while True:
    time.sleep(0.1)
"""
_READER = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("INSERT INTO t VALUES (1)")
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM t").fetchall()
print("held", flush=True)
sys.stdin.read()
"""
_WRITER_THAT_COMMITS = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=600, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO t VALUES (1)")
print("begun", flush=True)
connection.execute("COMMIT")
print("granted", flush=True)
"""
_LATE = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=600, isolation_level=None)
print("begun", flush=True)
connection.execute("SELECT count(*) FROM t")
"""
_CHECKPOINT = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=600, isolation_level=None)
connection.execute("SELECT count(*) FROM t").fetchall()
print("begun", flush=True)
connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
print("granted", flush=True)
"""


@pytest.fixture(params=["delete", "wal"])
def database(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode = {request.param}")
    connection.execute("CREATE TABLE t(x)")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.close()
    return path


def _c_program(folder: Path, *libraries: str) -> Path:
    program = folder / "waits"
    command = [str(COMPILER), "-o", str(program), str(_WAITER), *(libraries or ("-lsqlite3",))]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("cannot build with SQLite")
    return program


def _in_c(database: Path) -> list[object]:
    return [_c_program(database.parent), database]


def _in_c_with_sqlite_in_it(database: Path) -> list[object]:
    return [_c_program(database.parent, "-l:libsqlite3.a", "-lm", "-ldl", "-lz"), database]


def _in_python(database: Path) -> list[object]:
    return [sys.executable, "-c", _PYTHON, database]


def _in_the_shell(database: Path) -> list[object]:
    if shutil.which("sqlite3") is None:
        pytest.skip("no sqlite3 shell")
    words = ["SELECT * FROM t;", ".system echo begun", "BEGIN IMMEDIATE;"]
    return ["sqlite3", "-cmd", ".timeout 600000", database, *words]


@contextmanager
def _begun(*command: object) -> Iterator[subprocess.Popen[str]]:
    """A program that is on its way to its lock; it is killed at the end."""
    words = [str(word) for word in command]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "begun\n"
            yield program
        finally:
            program.kill()


def _look(database: Path) -> Snapshot:
    return who(database, stack=False)


def _waiter(database: Path) -> tuple[Snapshot, Waiter]:
    seen = eventually(lambda: _look(database), lambda snapshot: snapshot.waiters)
    [waiter] = seen.waiters
    return seen, waiter


@needs_compiler
@pytest.mark.parametrize("program", [_in_c, _in_c_with_sqlite_in_it, _in_python, _in_the_shell])
def test_a_waiter_is_seen_with_whom_it_waits_for(
    database: Path, program: Callable[[Path], list[object]]
) -> None:
    command = program(database)
    with held_by(*write_transaction(database)) as holder, _begun(*command) as waiting:
        seen, waiter = _waiter(database)
        [blocked] = seen.holders
        assert waiter.process.pid == waiting.pid
        assert waiter.wants == ("WAL WRITE" if seen.is_wal else "RESERVED")
        assert waiter.blockers == (holder.pid,)
        assert waiter.inferred
        assert "sqlite" in waiter.how.lower()
        assert (blocked.process.pid, blocked.blocks) == (holder.pid, (waiting.pid,))
        assert waiting.pid not in {opener.process.pid for opener in seen.attached}


def test_nobody_waits_for_what_nobody_holds(database: Path) -> None:
    with _begun(sys.executable, "-c", _PYTHON_THAT_SLEEPS, database) as sleeping:
        _asleep(sleeping.pid)
        assert _look(database).waiters == ()


def test_a_program_that_sleeps_beside_a_holder_does_not_wait(database: Path) -> None:
    with (
        held_by(*write_transaction(database)),
        _begun(sys.executable, "-c", _PYTHON_THAT_SLEEPS, database) as sleeping,
    ):
        _asleep(sleeping.pid)
        assert _look(database).waiters == ()


@needs_compiler
def test_a_c_program_that_sleeps_as_long_does_not_wait(database: Path) -> None:
    """Its sleeps are the busy handler's to the nanosecond: their caller tells them apart."""
    program = _c_program(database.parent)
    with held_by(*write_transaction(database)), _begun(program, database, "sleep") as sleeping:
        _asleep(sleeping.pid)
        assert _look(database).waiters == ()


def _asleep(pid: int) -> None:
    eventually(lambda: Path(f"/proc/{pid}/wchan").read_text(), lambda channel: "sleep" in channel)


def test_a_holder_that_sleeps_does_not_wait(database: Path) -> None:
    sleeping = write_transaction(database)
    sleeping[2] = sleeping[2].replace(
        "sys.stdin.read()",
        "import time, threading\n"
        "threading.Thread(target=sys.stdin.read).start()\n"
        "while threading.active_count() > 1: time.sleep(0.1)\n",
    )
    with held_by(*sleeping) as holder:
        _asleep(holder.pid)
        assert _look(database).waiters == ()


@pytest.mark.parametrize("database", ["delete"], indirect=True)
def test_a_writer_behind_readers_is_behind_them_and_those_behind_it_too(database: Path) -> None:
    with (
        held_by(sys.executable, "-c", _READER, database) as reader,
        _begun(sys.executable, "-c", _WRITER_THAT_COMMITS, database) as writer,
    ):
        eventually(lambda: _look(database), lambda snapshot: snapshot.waiters)
        late = [sys.executable, "-c", _LATE, database]
        with _begun(*late) as last:
            seen = eventually(lambda: _look(database), lambda snapshot: len(snapshot.waiters) == 2)
    wants = {waiter.process.pid: (waiter.wants, waiter.blockers) for waiter in seen.waiters}
    assert wants == {
        writer.pid: ("EXCLUSIVE", (reader.pid,)),
        last.pid: ("SHARED", (reader.pid, writer.pid)),
    }
    assert [holder.process.pid for holder in seen.holders] == [reader.pid, writer.pid]
    assert set(seen.holders[0].blocks) == {writer.pid, last.pid}


@pytest.mark.parametrize("database", ["wal"], indirect=True)
def test_a_checkpoint_waits_for_the_readers(database: Path) -> None:
    with (
        held_by(sys.executable, "-c", _READER, database) as reader,
        _begun(sys.executable, "-c", _CHECKPOINT, database) as checkpoint,
    ):
        _, waiter = _waiter(database)
    assert waiter.process.pid == checkpoint.pid
    assert (waiter.wants, waiter.blockers) == ("WAL READ", (reader.pid,))


def test_what_may_not_be_looked_into_is_not_called_awake() -> None:
    if os.geteuid() != 0:
        assert busy_sleep(1) == (None, False)
        return
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setuid(_NOBODY)
        os._exit(0 if busy_sleep(os.getppid()) == (None, False) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
