"""Who locks a traced database without recording it is seen, named and blamed; and nobody else."""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holders import RESERVED, held_by, holder_program, needs_compiler, write_transaction
from lockscope.capture.preload import missing_sentence

pytestmark = pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())

LOCKSCOPE = (sys.executable, "-m", "lockscope")

WAITS = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0.6)
try:
    connection.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
"""
BUSY = """\
import sqlite3, sys
from multiprocessing import Process
def write():
    connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
    connection.execute("PRAGMA synchronous=OFF")
    for _ in range(int(sys.argv[3])):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("COMMIT")
setup = sqlite3.connect(sys.argv[1])
setup.execute("PRAGMA journal_mode=" + sys.argv[2])
setup.execute("CREATE TABLE t(x)")
setup.commit()
setup.close()
writers = [Process(target=write) for _ in range(4)]
for writer in writers: writer.start()
for writer in writers: writer.join()
"""


def traced(folder: Path, *command: object) -> dict[str, Any]:
    """The report of a traced command, as JSON."""
    trace = folder / "t.trace"
    words = [str(word) for word in command]
    subprocess.run([*LOCKSCOPE, "trace", "-q", "-o", trace, "--", *words], cwd=folder, check=True)
    done = subprocess.run(
        [*LOCKSCOPE, "report", trace, "--json"], capture_output=True, text=True, check=False
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def waiting(folder: Path) -> dict[str, Any]:
    return traced(folder, sys.executable, "-c", WAITS, "a.db")


def unrecorded(report: dict[str, Any]) -> dict[int, str]:
    return {p["pid"]: p["command"] for p in report["processes"] if not p["recorded"]}


def test_a_process_outside_the_trace_is_named_and_blamed(tmp_path: Path) -> None:
    with held_by(*write_transaction(tmp_path / "a.db")) as holder:
        report = waiting(tmp_path)
    assert list(unrecorded(report)) == [holder.pid]
    assert "BEGIN IMMEDIATE" in unrecorded(report)[holder.pid]
    [wait] = report["waits"]
    assert [blocker["pid"] for blocker in wait["blockers"]] == [holder.pid]
    assert wait["blockers"][0]["seconds"] > 0
    [gap] = report["gaps"]
    assert gap["pid"] == holder.pid
    assert "a.db RESERVED" in gap["sentence"]
    terminal = subprocess.run(
        [sys.executable, "-m", "lockscope", "report", tmp_path / "t.trace"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    told = " ".join(terminal.split())
    assert 0 < told.index(f"Gap: pid {holder.pid} (") < told.index("Who made whom wait")
    assert "seen by sampling, held a.db RESERVED" in told


@needs_compiler
@pytest.mark.parametrize("kind", ["posix", "ofd"])
def test_a_static_program_within_the_trace_is_seen(kind: str, tmp_path: Path) -> None:
    program = holder_program(tmp_path, "-static")
    (tmp_path / "waits.py").write_text(WAITS)
    script = (
        f"mkfifo end; {program} {kind} a.db {RESERVED} 1 <end >held & exec 3>end; read line <held; "
        f"'{sys.executable}' waits.py a.db; exec 3>&-; wait"
    )
    script = script.replace("mkfifo end;", "mkfifo end held;")
    report = traced(tmp_path, "sh", "-c", script)
    [(pid, command)] = unrecorded(report).items()
    assert command.startswith(f"{program} {kind}")
    [wait] = report["waits"]
    assert [blocker["pid"] for blocker in wait["blockers"]] == [pid]


def test_ten_holders_at_once_are_all_seen(tmp_path: Path) -> None:
    reader = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('CREATE TABLE IF NOT EXISTS t(x)'); c.execute('BEGIN');"
        "c.execute('SELECT * FROM t').fetchall(); print('held', flush=True); sys.stdin.read()"
    )
    with contextlib.ExitStack() as stack:
        pids = {
            stack.enter_context(held_by(sys.executable, "-c", reader, tmp_path / "a.db")).pid
            for _ in range(10)
        }
        stack.enter_context(held_by(*write_transaction(tmp_path / "a.db")))
        report = waiting(tmp_path)
    assert pids < set(unrecorded(report))
    assert len(unrecorded(report)) == 11


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_busy_trace_that_is_complete_raises_no_alarm(mode: str, tmp_path: Path) -> None:
    report = traced(tmp_path, sys.executable, "-c", BUSY, "a.db", mode, 1500)
    assert (report["gaps"], unrecorded(report)) == ([], {})
    assert report["sampling"]["samples"] > 1


def test_the_inode_of_a_deleted_file_is_not_looked_for(tmp_path: Path) -> None:
    # SQLite deletes its journal at every commit; the next file made gets its inode.
    script = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('CREATE TABLE t(x)'); print('made', flush=True); sys.stdin.readline();"
        "c.execute('BEGIN IMMEDIATE'); time.sleep(0.3)"
    )
    with subprocess.Popen(
        [*LOCKSCOPE, "trace", "-q", "-o", "t.trace", "--", sys.executable, "-c", script, "a.db"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "made\n"
        with held_by(*write_transaction(tmp_path / "other.db")):
            running.communicate("\n")
    done = subprocess.run(
        [sys.executable, "-m", "lockscope", "report", tmp_path / "t.trace", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["gaps"] == []


@needs_compiler
@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare")
def test_a_holder_in_another_pid_namespace_has_the_number_that_we_see(tmp_path: Path) -> None:
    unshare = ["unshare", "--pid", "--fork"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("PID namespaces cannot be made here")
    program = holder_program(tmp_path)
    with held_by(*unshare, program, "posix", tmp_path / "a.db", RESERVED, 1):
        report = waiting(tmp_path)
    [(pid, command)] = unrecorded(report).items()
    assert pid > 1
    assert command.startswith(str(program))
