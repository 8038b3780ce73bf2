"""What is read of a log, compared with what SQLite's own checkpoint says of it."""

import contextlib
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from holders import held_by
from lockscope.live.files import find_files
from lockscope.live.model import Pin, WalState
from lockscope.live.snapshot import who
from lockscope.live.wal import read_wal, size_text

_READER = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM t").fetchone()
print("held", flush=True)
sys.stdin.read()
"""
_KILLED = """\
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("INSERT INTO t VALUES (zeroblob(20000))")
os.kill(os.getpid(), signal.SIGKILL)
"""


class Writer:
    """A process of its own that writes and checkpoints: the one that looks must not have the
    database open.
    """

    _PROGRAM = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
connection.execute("PRAGMA wal_autocheckpoint=0")
print("held", flush=True)
for line in sys.stdin:
    print(connection.execute(line).fetchall(), flush=True)
"""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def execute(self, statement: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(statement + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def write(self, rows: int = 1) -> None:
        for _ in range(rows):
            self.execute("INSERT INTO t VALUES (zeroblob(5000))")

    def checkpoint(self, how: str = "PASSIVE") -> str:
        """(busy, frames of the log, frames checkpointed): sqlite.org/pragma.html"""
        return self.execute(f"PRAGMA wal_checkpoint({how})").strip("[]")


@contextlib.contextmanager
def writer(database: Path) -> Iterator[Writer]:
    with held_by(sys.executable, "-c", Writer._PROGRAM, database) as process:
        yield Writer(process)


def reader(database: Path) -> "contextlib.AbstractContextManager[subprocess.Popen[str]]":
    """A process that reads the snapshot of the moment until it is let go."""
    return held_by(sys.executable, "-c", _READER, database)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=wal")
        connection.execute("CREATE TABLE t(x)")
    return path


def state(database: Path) -> WalState:
    found = who(database).wal
    assert found is not None
    return found


def agrees(seen: WalState, *, busy: int) -> str:
    return str((busy, seen.frames, seen.checkpointed))


def test_frames_and_those_written_back_are_as_a_checkpoint_says(database: Path) -> None:
    with writer(database) as own:
        own.write(20)
        before = state(database)
        assert before.frames > 20
        assert before.checkpointed == 0
        assert before.pins == ()
        assert before.file_bytes == Path(f"{database}-wal").stat().st_size
        assert before.sentence == (
            f"The log holds {before.frames} frames ({size_text(before.frames * 4120)}), 0 of them "
            "written back; nobody keeps the rest from being checkpointed."
        )
        assert own.checkpoint() == agrees(state(database), busy=0)
        done = state(database)
        assert done.checkpointed == done.frames == before.frames
        assert done.sentence.endswith("written back; the next write begins it anew.")
        own.write()
        anew = state(database)
        assert 0 < anew.frames < before.frames
        assert anew.checkpointed == 0


def test_a_checkpoint_stops_where_the_oldest_reader_is_said_to_read(database: Path) -> None:
    with writer(database) as own:
        own.write(5)
        with reader(database) as first:
            own.write(5)
            with reader(database) as second:
                own.write(5)
                seen = state(database)
                oldest, newer = seen.pins
                assert (oldest.pids, newer.pids) == ((first.pid,), (second.pid,))
                assert 0 < oldest.frame < newer.frame < seen.frames
                assert oldest.frames_behind == seen.frames - oldest.frame
                assert oldest.bytes_behind == oldest.frames_behind * (4096 + 24)
                assert own.checkpoint() == str((0, seen.frames, oldest.frame))
                assert own.checkpoint("FULL") == agrees(state(database), busy=1)
                assert state(database).checkpointed == oldest.frame
                assert state(database).sentence.endswith(
                    f"{oldest.frame} of them written back: pid {first.pid} reads the snapshot at "
                    f"frame {oldest.frame} and keeps the rest from being checkpointed."
                )
        assert state(database).pins == ()
        assert own.checkpoint() == str((0, seen.frames, seen.frames))


def test_a_reader_of_the_database_file_alone_keeps_everything_from_being_written_back(
    database: Path,
) -> None:
    with writer(database) as own:
        own.write(5)
        own.checkpoint()
        with reader(database) as one:
            own.write()  # begins the log anew, which that reader does not need
            seen = state(database)
            behind = seen.frames * 4120
            assert seen.pins == (Pin(0, (one.pid,), 0, seen.frames, behind),)
            assert own.checkpoint() == str((0, seen.frames, 0))
            assert own.checkpoint("TRUNCATE") == str((1, seen.frames, 0))
            assert f"pid {one.pid} reads the file as it was before and keeps" in seen.sentence
        assert own.checkpoint() == str((0, seen.frames, seen.frames))


def test_a_reader_at_the_end_keeps_the_log_from_beginning_anew(database: Path) -> None:
    with writer(database) as own:
        own.write(5)
        with reader(database) as one, reader(database) as other:
            frames = state(database).frames
            assert own.checkpoint() == str((0, frames, frames))
            assert own.checkpoint("RESTART") == str((1, frames, frames))
            seen = state(database)
            [pin] = seen.pins
            pids = sorted((one.pid, other.pid))
            assert (list(pin.pids), pin.frame, pin.frames_behind) == (pids, frames, 0)
            assert seen.sentence.endswith(
                f"pids {pids[0]} and {pids[1]} read the snapshot at frame {frames} and keep the "
                "log from beginning anew."
            )
            own.write()
            assert state(database).frames > frames
        own.checkpoint("TRUNCATE")
        assert state(database).sentence == "The log is empty."


def test_no_log_is_read_where_there_is_none(tmp_path: Path, database: Path) -> None:
    rollback = tmp_path / "b.db"
    with closing(sqlite3.connect(rollback)) as connection:
        connection.execute("CREATE TABLE t(x)")
    assert who(rollback).wal is None
    assert who(database).wal is None  # its last connection took the log away


def test_a_log_left_by_a_killed_process_is_read(database: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, database], check=False)
    seen = state(database)
    with closing(sqlite3.connect(database)) as connection:
        recovered = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert recovered == (0, seen.frames, seen.frames)


def test_an_index_that_is_torn_or_not_built_is_not_believed(database: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, database], check=False)
    index = Path(f"{database}-shm")
    whole = index.read_bytes()
    files = find_files(database)
    assert read_wal(files, ()) is not None
    torn = struct.pack("=I", 77)  # mxFrame of the first copy alone
    for content in (whole[:16] + torn + whole[20:], bytes(len(whole)), whole[:100]):
        index.write_bytes(content)
        assert read_wal(files, ()) is None
