import errno
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from recorded import Play, Recorded, environment, segments

from lockscope.trace.records import Kind, Mode

pytest_plugins = ["recorder_built"]

PENDING, RESERVED, SHARED = 0x40000000, 0x40000001, 0x40000002
LOCKS = (Kind.LOCK, Kind.LOCK_WAIT, Kind.LOCK_TEST)
KINDS = {"F_SETLK": Kind.LOCK, "F_SETLKW": Kind.LOCK_WAIT, "F_GETLK": Kind.LOCK_TEST}
MODES = {"F_UNLCK": Mode.UNLOCK, "F_RDLCK": Mode.SHARED, "F_WRLCK": Mode.EXCLUSIVE}

Request = tuple[Kind, Mode, int, int, int]


def requests(segment: Recorded) -> list[Request]:
    return [
        (Kind(r["kind"]), Mode(r["mode"]), int(r["start"]), int(r["length"]), int(r["error"]))
        for r in segment.of(*LOCKS)
    ]


def test_every_command_and_mode_is_recorded_as_it_was_asked_for(play: Play, tmp_path: Path) -> None:
    ran = play("locks", tmp_path / "a.db")
    main, holder = ran.segments
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


def strace_requests(log: str) -> dict[int, list[Request]]:
    """The lock calls of each thread in what `strace -f -e trace=fcntl` wrote."""
    call = re.compile(
        r"^(\d+) +fcntl\(\d+, (F_SETLKW?|F_GETLK), \{l_type=(\w+), l_whence=SEEK_SET, "
        r"l_start=(\d+), l_len=(\d+)(?:, l_pid=-?\d+)?\}\) += (-?\d+)(?: (\w+))?"
    )
    seen: dict[int, list[Request]] = {}
    for line in log.splitlines():
        found = call.match(line)
        if found is None:
            assert not re.search("_[SG]ETLK|resumed", line), line
            continue
        thread, command, mode, start, length, _, error = found.groups()
        code = getattr(errno, error) if error else 0
        seen.setdefault(int(thread), []).append(
            (KINDS[command], MODES[mode], int(start), int(length), code)
        )
    return seen


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
    inside = environment(library, trace)
    command = ["strace", "-f", "-e", "trace=fcntl", "-o", str(log)]
    command += ["-E", f"LD_PRELOAD={library}", "-E", f"LOCKSCOPE_TRACE={trace}"]
    command += ["sqlite3", str(tmp_path / "a.db"), SQL[mode]]
    outside = {k: v for k, v in inside.items() if k not in {"LD_PRELOAD", "LOCKSCOPE_TRACE"}}
    subprocess.run(command, env=outside, check=True, capture_output=True)
    (segment,) = segments(trace)
    seen = strace_requests(log.read_text())[segment.pid]
    # In its answer to a test that nobody is in the way of, the kernel has put F_UNLCK.
    mine = [
        r if r[0] != Kind.LOCK_TEST else (*r[:1], Mode.UNLOCK, *r[2:]) for r in requests(segment)
    ]
    assert len(mine) > 20
    assert mine == seen
