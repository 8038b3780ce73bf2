import errno
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import strace
from recorded import Play, environment, segments
from strace import recorded_requests, requests, seen_requests

from lockscope.trace.kinds import Kind, Mode

pytest_plugins = ["recorder_built"]

PENDING, RESERVED, SHARED = 0x40000000, 0x40000001, 0x40000002


def test_every_command_and_mode_is_recorded_as_it_was_asked_for(play: Play, tmp_path: Path) -> None:
    ran = play("locks", tmp_path / "a.db")
    holder, main = ran.segments  # the other process was the first to lock
    assert requests(holder) == [(Kind.LOCK, Mode.EXCLUSIVE, RESERVED, 1, 0)]
    assert requests(main) == [
        (Kind.LOCK, Mode.SHARED, SHARED, 510, 0),
        (Kind.LOCK, Mode.EXCLUSIVE, RESERVED, 1, errno.EAGAIN),
        (Kind.LOCK_TEST, Mode.EXCLUSIVE, RESERVED, 1, errno.EAGAIN),
        (Kind.LOCK_TEST, Mode.EXCLUSIVE, PENDING, 1, 0),
        (Kind.LOCK_WAIT, Mode.EXCLUSIVE, PENDING, 1, 0),
        (Kind.LOCK, Mode.UNLOCK, 0, 0, 0),
        (Kind.LOCK, Mode.SHARED, SHARED, 510, 0),
        (Kind.LOCK_WAIT, Mode.EXCLUSIVE, PENDING, 1, 0),
        (Kind.LOCK_TEST, Mode.EXCLUSIVE, RESERVED, 1, errno.EAGAIN),
        (Kind.LOCK, Mode.UNLOCK, SHARED, 510, 0),
        (Kind.LOCK, Mode.UNLOCK, 1, 0xFFFFFFFF, 0),
        (Kind.LOCK, Mode.EXCLUSIVE, RESERVED, 1, errno.EINVAL),
    ]


def test_times_nest_and_threads_are_named(play: Play, tmp_path: Path) -> None:
    segment = play("loop", tmp_path / "a.db", "1000").only
    locks = segment.of(Kind.LOCK)
    ends = locks["began_ns"] + locks["duration_ns"]
    assert np.all(locks["began_ns"][1:] >= ends[:-1])
    assert np.all(locks["began_ns"] >= segment.header["started_ns"])
    assert set(locks["thread"].tolist()) == {segment.pid}


def test_the_file_is_named_with_its_identity(play: Play, tmp_path: Path) -> None:
    database = tmp_path / "new\nline\\and ünicode.db"
    segment = play("loop", database, "1").only
    (file,) = segment.of(Kind.FILE)
    status = database.stat()
    assert (file["start"], file["duration_ns"]) == (status.st_ino, status.st_dev)
    assert segment.text(file["length"]) == str(database)


def test_a_whole_file_lock_counts_on_a_database_only(play: Play, tmp_path: Path) -> None:
    segment = play("whole-file", tmp_path / "a.db", tmp_path / "other").only
    assert [segment.text(f["length"]) for f in segment.of(Kind.FILE)] == [str(tmp_path / "a.db")]
    assert requests(segment) == [(Kind.LOCK, Mode.EXCLUSIVE, 0, 0, 0)]


SQL = {
    "rollback": """CREATE TABLE t(x); INSERT INTO t VALUES(1); BEGIN IMMEDIATE;
        INSERT INTO t VALUES(2); COMMIT; BEGIN EXCLUSIVE; ROLLBACK; SELECT * FROM t;""",
    "wal": """PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1);
        BEGIN; SELECT * FROM t; INSERT INTO t VALUES(2); COMMIT;
        PRAGMA wal_checkpoint(TRUNCATE);""",
}


@pytest.mark.skipif(not shutil.which("strace") or not shutil.which("sqlite3"), reason="no strace")
@pytest.mark.parametrize("mode", SQL)
def test_the_same_as_strace_saw(mode: str, library: Path, tmp_path: Path) -> None:
    trace, log = tmp_path / "trace", tmp_path / "strace"
    trace.mkdir()
    words = [*strace.command(log), "-E", f"LD_PRELOAD={library}", "-E", f"LOCKSCOPE_TRACE={trace}"]
    words += ["sqlite3", str(tmp_path / "a.db"), SQL[mode]]
    inside = environment(library, trace)
    outside = {k: v for k, v in inside.items() if k not in {"LD_PRELOAD", "LOCKSCOPE_TRACE"}}
    subprocess.run(words, env=outside, check=True, capture_output=True)
    (segment,) = segments(trace)
    seen = seen_requests(log, "")
    assert len(seen[segment.pid]) > 20
    assert recorded_requests([segment]) == seen
