"""Many short processes, pids that are used again, and every way that Python starts a process."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lockscope.capture.preload import missing_sentence
from lockscope.trace.kinds import EndMode, Kind
from lockscope.trace.reader import read_trace

pytestmark = [
    pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence()),
]

LOCKSCOPE = (sys.executable, "-m", "lockscope")
LOCK = "fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0x40000001)"


def traced(cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LOCKSCOPE, "trace", "-q", "-o", "t.trace", "--", *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )


POOL = f"""
import fcntl, os
file = open("a.db", "w")
for number in range(int(2000)):
    child = os.fork()
    if child == 0:
        {LOCK}
        os._exit(number % 200)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == number % 200
"""


def test_two_thousand_short_processes_lose_nothing(tmp_path: Path) -> None:
    traced(tmp_path, sys.executable, "-c", POOL)
    trace = read_trace(tmp_path / "t.trace")
    assert len(trace.of_kind(Kind.LOCK)) == 2000
    assert trace.gaps == ()
    forked = [p for p in trace.processes if p.watched][-2000:]
    assert sorted(p.status or 0 for p in forked) == sorted(n % 200 for n in range(2000))
    # 52 KB and two small files each: what a process has that locks little.
    size = sum(path.stat().st_size for path in (tmp_path / "t.trace").iterdir())
    assert size < 2100 * 60_000


START = f"""
import fcntl, multiprocessing, sys

def work(number):
    with open("a.db", "r+") as file:
        {LOCK}
    return number

if __name__ == "__main__":
    open("a.db", "w").close()
    with multiprocessing.get_context(sys.argv[1]).Pool(1, maxtasksperchild=2) as pool:
        assert pool.map(work, range(8), chunksize=1) == list(range(8))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_every_way_in_which_python_starts_a_process(method: str, tmp_path: Path) -> None:
    (tmp_path / "pool.py").write_text(START)
    traced(tmp_path, sys.executable, "pool.py", method)
    trace = read_trace(tmp_path / "t.trace")
    locks = trace.of_kind(Kind.LOCK)
    assert len(locks) == 8
    assert len(set(locks["process"].tolist())) == 4
    assert trace.gaps == ()


ORPHAN = f"""
import fcntl, os
orphaned, go = os.pipe()
over, end = os.pipe()
middle = os.fork()
if middle == 0:
    if os.fork() == 0:
        os.read(orphaned, 1)
        file = open("a.db", "w")
        {LOCK}
        os.write(end, b"x")
    os._exit(0)
os.waitpid(middle, 0)
os.write(go, b"x")
os.read(over, 1)
print(middle)
"""


def test_an_orphan_names_the_parent_that_it_had(tmp_path: Path) -> None:
    middle = traced(tmp_path, sys.executable, "-c", ORPHAN).stdout
    [orphan] = [p for p in read_trace(tmp_path / "t.trace").processes if p.watched]
    assert orphan.parent == int(middle)


BECOMES = f"""
import fcntl, os
file = open("a.db", "w")
{LOCK}
os.execv("/bin/sh", ["sh", "-c", "kill -9 $$"])
"""


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="no shell")
def test_who_became_a_program_without_a_database_was_not_killed_in_it(tmp_path: Path) -> None:
    command = [*LOCKSCOPE, "trace", "-q", "-o", "t.trace", "--", sys.executable, "-c", BECOMES]
    done = subprocess.run(command, cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    trace = read_trace(tmp_path / "t.trace")
    [process] = [p for p in trace.processes if p.watched]
    assert (process.exited, process.end) == (True, EndMode.SIGNALLED)
    assert process.ended_ns > int(trace.of_kind(Kind.EXEC)["began_ns"][-1])
    assert trace.gaps == ()


REUSED = f"""
import fcntl, os
with open("/proc/sys/kernel/pid_max", "w") as limit:
    limit.write("310")
file = open("a.db", "w")
pids = []
for number in range(700):
    child = os.fork()
    if child == 0:
        {LOCK}
        os._exit(0)
    pids.append(child)
    os.waitpid(child, 0)
print(len(pids), len(set(pids)))
"""


def test_a_pid_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare")
    space = ["unshare", "--pid", "--fork", "--mount-proc"]
    limit = "test $(cat /proc/sys/kernel/pid_max) -gt 0 && echo 310 > /proc/sys/kernel/pid_max"
    before = Path("/proc/sys/kernel/pid_max").read_text()
    probe = subprocess.run([*space, "sh", "-c", limit], capture_output=True, check=False)
    after = Path("/proc/sys/kernel/pid_max").read_text()
    if after != before:
        Path("/proc/sys/kernel/pid_max").write_text(before)
    if probe.returncode != 0 or after != before:
        pytest.skip("pid_max is not a namespace's own here (Linux 6.14 and newer)")
    inner = [*space, sys.executable, "-c", REUSED]
    done = traced(tmp_path, *inner)
    forked, different = map(int, done.stdout.split())
    assert different < forked == 700
    trace = read_trace(tmp_path / "t.trace")
    locks = trace.of_kind(Kind.LOCK)
    assert len(locks) == 700
    assert len(set(locks["process"].tolist())) == 700


DAEMON = f"""
import fcntl, os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.closerange(0, 256)
file = open("a.db", "w")
{LOCK}
os.mkfifo("started")
open("started").read()
fcntl.lockf(file, fcntl.LOCK_UN, 1, 0x40000001)
os.mkfifo("again")
open("again").read()
"""


def test_a_daemon_that_outlives_the_recording_is_read_while_it_writes(tmp_path: Path) -> None:
    traced(tmp_path, sys.executable, "-c", DAEMON)
    while not (tmp_path / "started").exists():
        os.sched_yield()
    report = [*LOCKSCOPE, "report", "t.trace", "--json"]
    first = subprocess.run(report, cwd=tmp_path, capture_output=True, text=True, check=False)
    (tmp_path / "started").open("w").close()
    while not (tmp_path / "again").exists():
        os.sched_yield()
    trace = read_trace(tmp_path / "t.trace")
    (tmp_path / "again").open("w").close()
    assert "a.db RESERVED" in first.stdout
    [gap] = json.loads(first.stdout)["gaps"]
    assert "was still running when the recording ended" in str(gap)
    assert trace.of_kind(Kind.LOCK, Kind.LOCK_WAIT)["mode"].tolist() == [2, 0]
    [locker] = {int(place) for place in trace.of_kind(Kind.LOCK)["process"]}
    assert trace.processes[locker].ended_ns == 0
