"""`lockscope trace` as a person uses it: its exit status, its messages, what it leaves behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lockscope.capture.preload import missing_sentence

LOCKSCOPE = (sys.executable, "-m", "lockscope")

needs_native = pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())

INSERTS = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("CREATE TABLE IF NOT EXISTS t(x)")
connection.execute("INSERT INTO t VALUES ('a secret')")
connection.commit()
connection.close()
"""


def lockscope(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LOCKSCOPE, *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )


def traced(cwd: Path, *command: object) -> subprocess.CompletedProcess[str]:
    return lockscope("trace", "-o", "t.trace", "--", *command, cwd=cwd)


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_the_exit_status_is_the_commands(status: int, tmp_path: Path) -> None:
    assert traced(tmp_path, "sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGSEGV])
def test_it_dies_of_the_signal_that_the_command_died_of(
    number: signal.Signals, tmp_path: Path
) -> None:
    assert traced(tmp_path, "sh", "-c", f"kill -{number.value} $$").returncode == -number
    assert (tmp_path / "t.trace" / "manifest.json").exists()


def test_the_commands_streams_are_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [*LOCKSCOPE, "trace", "-q", "--", "cat"],
        cwd=tmp_path,
        input=b"in\0out",
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"in\0out", b"")


def test_descriptors_that_were_passed_on_reach_the_command(tmp_path: Path) -> None:
    read, write = os.pipe()
    program = f"import os; os.write({write}, b'through')"
    done = subprocess.run(
        [*LOCKSCOPE, "trace", "-q", "--", sys.executable, "-c", program],
        cwd=tmp_path,
        pass_fds=(write,),
        check=False,
    )
    os.close(write)
    with os.fdopen(read) as pipe:
        assert (done.returncode, pipe.read()) == (0, "through")


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["trace", "--", "no-such-command"], 3, "no-such-command: no such command"),
        (["trace", "--"], 2, "needs a command"),
        (["trace", "-o", "file", "--", "true"], 3, "file is a file, not a folder; choose another"),
        (["trace", "-o", "full", "--", "true"], 3, "full exists and is not empty"),
        (["report", "nowhere"], 3, "nowhere does not exist"),
        (["report", "full"], 3, "full is not a trace"),
        (["report"], 3, "There is no trace below"),
        (["report", "--format", "png"], 2, "invalid choice"),
        (["raport"], 2, "did you mean 'report'?"),
        (["qqqq"], 2, "the verbs are run, trace, report"),
    ],
)
def test_mistakes_get_one_sentence(
    words: list[str], status: int, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("kept")
    done = lockscope(*words, cwd=tmp_path)
    assert done.returncode == status
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "file").read_text() == (tmp_path / "full" / "precious").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]


def test_a_file_that_is_no_program_is_told(tmp_path: Path) -> None:
    (tmp_path / "app").write_bytes(b"\0\1\2 no program")
    (tmp_path / "app").chmod(0o755)
    done = traced(tmp_path, "./app")
    assert done.returncode == 3
    assert "./app cannot be started: it is no program for this machine" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "t.trace").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    done = lockscope("trace", "-o", "/proc/t.trace", "--", "true", cwd=tmp_path)
    assert done.returncode == 3
    assert "/proc/t.trace cannot be made" in done.stderr


@needs_native
def test_a_trace_holds_the_locks_statements_and_lines(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(INSERTS)
    done = traced(tmp_path, sys.executable, "app.py", "a.db")
    assert (done.returncode, done.stdout) == (0, "")
    report = json.loads(lockscope("report", "t.trace", "--json", cwd=tmp_path).stdout)
    [process] = report["processes"]
    assert process["command"].endswith("app.py a.db")
    reserved = [hold for hold in report["holds"] if hold["resource"] == "a.db RESERVED"]
    assert [(hold["statement"], Path(hold["source"]).name) for hold in reserved] == [
        ("CREATE TABLE IF NOT EXISTS t(x)", "app.py:3"),
        ("INSERT INTO t VALUES (?)", "app.py:4"),
    ]
    manifest = json.loads((tmp_path / "t.trace" / "manifest.json").read_text())
    assert manifest["exit_status"] == 0
    [database] = manifest["databases"]
    assert (Path(database["path"]).name, database["journal_mode"]) == ("a.db", "rollback")
    assert database["inode"] == (tmp_path / "a.db").stat().st_ino


@needs_native
@pytest.mark.parametrize(("literals", "kept"), [((), False), (("--literals",), True)])
def test_literals_are_masked_unless_asked_for(
    literals: tuple[str, ...], *, kept: bool, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(INSERTS)
    lockscope(
        "trace", "-o", "t.trace", *literals, "--", sys.executable, "app.py", "a.db", cwd=tmp_path
    )
    content = b"".join(path.read_bytes() for path in (tmp_path / "t.trace").iterdir())
    assert (b"a secret" in content) is kept


def test_a_trace_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    traced(tmp_path, "true")
    assert (tmp_path / "t.trace").stat().st_mode & 0o777 == 0o700


def test_the_default_folder_is_new_each_time(tmp_path: Path) -> None:
    for _ in range(3):
        lockscope("trace", "-q", "--", "true", cwd=tmp_path)
    assert len(list(tmp_path.glob("true-*.trace"))) == 3


def test_interrupting_leaves_a_trace_and_the_commands_own_end(tmp_path: Path) -> None:
    # Its default action, since Python's handler may run just before a pause that then has no end.
    program = (
        "import signal; signal.signal(2, signal.SIG_DFL);print('ready', flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [*LOCKSCOPE, "trace", "-o", "t.trace", "-q", "--", sys.executable, "-c", program],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        os.killpg(running.pid, signal.SIGINT)
    assert running.returncode == -signal.SIGINT
    assert json.loads((tmp_path / "t.trace" / "manifest.json").read_text())["exit_status"] == -2


def test_a_signal_for_lockscope_reaches_the_command(tmp_path: Path) -> None:
    program = (
        "import signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [15]);"
        "print('ready', flush=True); signal.sigwait([15]); sys.exit(5)"
    )
    with subprocess.Popen(
        [*LOCKSCOPE, "trace", "-q", "--", sys.executable, "-c", program],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.terminate()
    assert running.returncode == 5


@needs_native
@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="no sqlite3 shell")
def test_a_script_that_starts_several_programs_at_once(tmp_path: Path) -> None:
    script = (
        "sqlite3 a.db 'create table t(x)'; for n in 1 2 3; do "
        "sqlite3 -cmd '.timeout 9000' a.db \"insert into t values($n)\" & done; wait"
    )
    traced(tmp_path, "sh", "-c", script)
    report = json.loads(lockscope("report", "t.trace", "--json", cwd=tmp_path).stdout)
    writers = {hold["pid"] for hold in report["holds"] if hold["resource"] == "a.db RESERVED"}
    assert len(writers) == 4
    # The shell itself has nothing to do with a database.
    assert sorted(p["command"].split()[0] for p in report["processes"]) == ["sqlite3"] * 4
    assert report["gaps"] == []


@pytest.mark.parametrize(
    "harm", ["rm -rf t.trace", "mv t.trace u.trace", "rm -rf t.trace; > t.trace"]
)
def test_the_command_goes_on_when_the_traces_folder_goes(harm: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(INSERTS)
    program = f"{sys.executable} app.py a.db; {harm}; {sys.executable} app.py a.db && exit 7"
    done = traced(tmp_path, "sh", "-c", program)
    assert done.returncode == 7
    assert "t.trace cannot be finished" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_nothing_but_the_trace_is_left_behind(tmp_path: Path) -> None:
    script = "import os; print(sorted(os.listdir('.')))"
    done = traced(tmp_path, sys.executable, "-c", script)
    assert done.stdout == "['t.trace']\n"
    assert [path.name for path in tmp_path.iterdir()] == ["t.trace"]


@needs_native
def test_sql_in_a_command_line_is_kept_without_its_literals(tmp_path: Path) -> None:
    code = "import sqlite3; sqlite3.connect('a.db').execute(\"select 'a secret'\")"
    done = lockscope("trace", "-q", "--", sys.executable, "-c", code, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    [folder] = tmp_path.glob("*.trace")
    assert folder.name.startswith("python")
    for file in folder.iterdir():
        assert b"a secret" not in file.read_bytes()
