"""A thousand looks change nothing: no byte, no lock, no time of any file; and no writer notices."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventually import eventually
from lockscope.live.snapshot import who

pytestmark = pytest.mark.skipif(
    not Path("/proc/locks").exists(), reason="no /proc/locks on this system"
)

ROUNDS, LOOKS = 5, 100
WRITER = """
import sqlite3, sys, threading
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
print("held", flush=True)
done = 0
while not over.is_set():
    c.execute("BEGIN IMMEDIATE")
    c.execute("UPDATE t SET x = x + 1")
    c.execute("COMMIT")
    done += 1
    over.wait(0.001)
print(done)
"""
State = dict[str, tuple[bytes, tuple[int, ...]]]


def state(database: Path) -> tuple[State, list[str]]:
    """Bytes and times of the files, and the locks on them."""
    found: State = {}
    inodes = []
    for path in sorted(database.parent.glob("app.db*")):
        times = path.stat()
        # O_NOATIME: this look must not be what changes the time of access.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOATIME)
        content = os.pread(descriptor, 1 << 24, 0)
        os.close(descriptor)
        found[path.name] = (
            content,
            (times.st_atime_ns, times.st_mtime_ns, times.st_ctime_ns, times.st_ino),
        )
        inodes.append(f":{times.st_ino} ")
    lines = Path("/proc/locks").read_text().splitlines()
    ours = [line.split(":", 1)[1] for line in lines if any(inode in line for inode in inodes)]
    return found, sorted(ours)


def is_stopped(pid: int) -> bool:
    return ") T " in Path(f"/proc/{pid}/stat").read_text()


@contextlib.contextmanager
def still(writers: "list[subprocess.Popen[str]]") -> Iterator[None]:
    """Writers stopped wherever they are, within a transaction or between two."""
    for writer in writers:
        writer.send_signal(signal.SIGSTOP)
    eventually(lambda: [is_stopped(writer.pid) for writer in writers], all)
    try:
        yield
    finally:
        for writer in writers:
            writer.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_thousand_looks_change_nothing(tmp_path: Path, mode: str) -> None:
    database = tmp_path / "app.db"
    setup = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])"
    script = f"PRAGMA journal_mode={mode}; CREATE TABLE t(x); INSERT INTO t VALUES(0)"
    subprocess.run([sys.executable, "-c", setup, database, script], check=True)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, database],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "held\n"
    for _ in range(ROUNDS):
        for _ in range(LOOKS // 2):
            who(database, stack=False)
        with still(writers):
            before = state(database)
            for _ in range(LOOKS // 2):
                who(database, stack=False)
            assert state(database) == before
    ended = [writer.communicate() for writer in writers]
    assert [err for _, err in ended] == ["", ""]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert all(int(out) > 0 for out, _ in ended)
