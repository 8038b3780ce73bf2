"""The holds of a report against those that `strace` shows of the same run."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lockscope.capture.preload import missing_sentence
from lockscope.locks.sqlite import DATABASE_SLOTS, SHM_SLOTS, Slot, slots_in

pytestmark = [
    pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence()),
    pytest.mark.skipif(shutil.which("strace") is None, reason="no strace"),
]

EXAMPLE = Path(__file__).parents[2] / "examples" / "pets_plain.py"

THREADS = """\
import sqlite3, threading
def work(name):
    for _ in range(20):
        connection = sqlite3.connect("a.db", timeout=30, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (?)", (name,))
        connection.execute("COMMIT")
        connection.execute("SELECT count(*) FROM t").fetchall()
        connection.close()
first = sqlite3.connect("a.db")
first.execute("PRAGMA journal_mode={mode}")
first.execute("CREATE TABLE t(x)")
first.close()
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""

SHELL = """\
sqlite3 a.db 'create table t(x)'
for n in 1 2 3 4; do
  sqlite3 -cmd '.timeout 30000' a.db "insert into t values ($n); select count(*) from t" &
done
wait
"""

CALL = re.compile(
    r"^(?P<pid>\d+) +(?:fcntl\(\d+<(?P<file>[^>]*)>, F_SETLK, \{l_type=(?P<type>F_\w+), "
    r"l_whence=SEEK_SET, l_start=(?P<start>\d+), l_len=(?P<length>\d+)\}\) += (?P<result>-?\d+)"
    r"|close\(\d+<(?P<closed>[^>]*)>\) += 0)"
)
MODES = {"F_RDLCK": "shared", "F_WRLCK": "exclusive", "F_UNLCK": ""}

Holds = Counter[tuple[str, str]]


def holds_of_strace(text: str, database: str) -> Holds:
    """How often each slot was taken in each mode, by one process after the other."""
    held: dict[tuple[str, Slot], str] = {}
    holds: Holds = Counter()
    owner = thread_groups(text)
    for line in whole_calls(text):
        call = CALL.match(line)
        path = call and (call["file"] or call["closed"])
        if not call or not path or not path.startswith(database):
            continue
        slots = SHM_SLOTS if path.endswith("-shm") else DATABASE_SLOTS
        touched: tuple[Slot, ...] = slots
        mode = ""
        if not call["closed"]:
            if call["result"] != "0":
                continue
            touched = slots_in(int(call["start"]), int(call["length"]), slots)
            mode = MODES[call["type"]]
        for slot in touched:
            key = (owner.get(call["pid"], call["pid"]), slot)
            if mode and held.get(key) != mode:
                holds[f"{Path(database).name} {slot.title}", mode] += 1
            held[key] = mode
    return holds


def thread_groups(text: str) -> dict[str, str]:
    """The process of each thread: POSIX locks belong to the process."""
    made = re.findall(
        r"^(\d+) .*clone3?\(.*CLONE_THREAD.* = (\d+)$", "\n".join(whole_calls(text)), re.MULTILINE
    )
    owner: dict[str, str] = {}
    for process, thread in made:
        owner[thread] = owner.get(process, process)
    return owner


def whole_calls(text: str) -> list[str]:
    """The lines of strace, with calls that another thread interrupted put together again."""
    begun: dict[str, str] = {}
    lines = []
    for line in text.splitlines():
        pid, _, rest = line.partition(" ")
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest.removesuffix("<unfinished ...>").rstrip()
        elif resumed := re.match(r" *<\.\.\. \w+ resumed>,? ?(.*)", rest):
            lines.append(f"{pid} {begun.pop(pid, '')}{resumed[1]}")
        else:
            lines.append(line)
    return lines


@pytest.mark.parametrize("program", ["example", "shell", "script", "threads", "threads in WAL"])
def test_holds_add_up_to_what_strace_shows(program: str, tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(
        re.sub(r"(TASK_DURATION_SECONDS\b.*=) *[\d.]+", r"\1 0.05", EXAMPLE.read_text())
    )
    (tmp_path / "threads.py").write_text(
        THREADS.format(mode="wal" if "WAL" in program else "delete")
    )
    command: list[str] = {
        "example": [sys.executable, "example.py"],
        "shell": ["sqlite3", "a.db", "create table t(x); begin; insert into t values (1); commit"],
        "script": ["sh", "-c", SHELL],
    }.get(program, [sys.executable, "threads.py"])
    strace = ["strace", "-f", "-y", "-e", "trace=fcntl,close,clone,clone3", "-o", "strace.txt"]
    lockscope = [sys.executable, "-m", "lockscope"]
    subprocess.run(
        [*lockscope, "trace", "-q", "-o", "t.trace", "--", *strace, *command],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    answer = subprocess.run(
        [*lockscope, "report", "t.trace", "--json"], cwd=tmp_path, capture_output=True, check=False
    )
    report = json.loads(answer.stdout)
    recorded: Holds = Counter((hold["resource"], hold["mode"]) for hold in report["holds"])
    [database] = report["databases"]
    assert recorded == holds_of_strace((tmp_path / "strace.txt").read_text(), database)
    assert recorded.total() > 5
    assert report["gaps"] == []
