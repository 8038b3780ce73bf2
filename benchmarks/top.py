"""What `lockscope top` costs, in parts of one core, at its default rate beside five processes that
lock.

    python benchmarks/top.py [--seconds 30] [--processes 5]

Runs it on a terminal of 80 columns over a database in WAL mode on which so many processes write and
read in turn, and reads its processor time from `/proc/PID/stat`, once it has started and again
after so many seconds. Prints the ratio to one core and saves it as JSON.
"""

import argparse
import fcntl
import json
import os
import pty
import select
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
BUDGET: Final = 0.02
_WARM_UP_S: Final = 5
_PROGRAM: Final = """
import random, sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
print("ready", flush=True)
while True:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (1)")
    time.sleep(random.uniform(0, 0.04))
    connection.execute("COMMIT")
    connection.execute("SELECT count(*) FROM t").fetchall()
    time.sleep(random.uniform(0, 0.2))
"""


def start(database: Path) -> subprocess.Popen[str]:
    """Start one process that locks."""
    command = [sys.executable, "-c", _PROGRAM, str(database)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def processor_s(pid: int) -> float:
    """Seconds of a core that a process has used (`proc_pid_stat(5)`, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drain(file: int, seconds: float) -> int:
    """Take what is written to a terminal for so long; gives its bytes."""
    end = time.monotonic() + seconds
    count = 0
    while (left := end - time.monotonic()) > 0:
        if select.select([file], [], [], left)[0]:
            count += len(os.read(file, 1 << 16))
    return count


def measure(database: Path, seconds: float) -> dict[str, float]:
    """Run `lockscope top` and measure it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "lockscope", "top", str(database)]
    environment = {**os.environ, "TERM": "xterm-256color"}
    top = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    drain(ours, _WARM_UP_S)
    began, spent = time.monotonic(), processor_s(top.pid)
    written = drain(ours, seconds)
    took, used = time.monotonic() - began, processor_s(top.pid) - spent
    top.send_signal(signal.SIGTERM)
    drain(ours, 1)
    top.wait()
    return {"of_one_core": used / took, "seconds": took, "bytes_a_second": written / took}


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--processes", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "app.db"
        connection = sqlite3.connect(database)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t(x)")
        connection.close()
        processes = [start(database) for _ in range(arguments.processes)]
        try:
            result = measure(database, arguments.seconds)
        finally:
            for process in processes:
                process.kill()
                process.wait()
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "top.json").write_text(json.dumps(result, indent=1) + "\n")
    print(
        f"{result['of_one_core']:.2%} of one core, {result['bytes_a_second']:,.0f} bytes/s written"
    )
    print(f"budget {BUDGET:.0%}: {'met' if result['of_one_core'] <= BUDGET else 'NOT MET'}")


if __name__ == "__main__":
    main()
