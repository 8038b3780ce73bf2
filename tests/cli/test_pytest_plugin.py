"""`pytest --lockscope`: real sessions, each recorded in a process of its own."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import lockscope
from lockscope.capture.preload import missing_sentence

needs_recorder = pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())

SUITE = """
import os, pathlib, sqlite3, subprocess, sys, unittest
import pytest

WRITES = "import sqlite3, sys; "
WRITES += "sqlite3.connect(sys.argv[1], timeout=0).execute('INSERT INTO t VALUES (1)')"

@pytest.fixture
def database(tmp_path):
    connection = sqlite3.connect(tmp_path / "app.db", isolation_level=None)
    connection.execute("CREATE TABLE t(a)")
    connection.close()
    return tmp_path / "app.db"

@pytest.fixture
def writing(database):
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield database
    connection.close()

def refused(database):
    subprocess.run([sys.executable, "-c", WRITES, database], check=True)

def test_passes(database):
    refused(database)

def test_child_is_refused(writing):
    refused(writing)

def test_fails_for_its_own_reasons(database):
    assert database == 1

@pytest.mark.lock_budget(fail_on="C01,unsafe", max_wait="1h")
def test_swallows(writing):
    with pytest.raises(subprocess.CalledProcessError):
        refused(writing)

@pytest.mark.lock_budget(max_hold="1h", max_wait=3600, fail_on=["C12", "deadlock"])
def test_keeps_its_budget(writing):
    pass

@pytest.fixture
def ends_badly(writing):
    yield
    subprocess.run([sys.executable, "-c", WRITES, writing])

@pytest.mark.lock_budget(fail_on="failed")
def test_tear_down(ends_badly):
    pass

@pytest.fixture
def begins_badly(writing):
    refused(writing)

def test_set_up(begins_badly):
    pass

class TestOld(unittest.TestCase):
    def test_method(self):
        connection = sqlite3.connect("old.db", isolation_level=None)
        connection.execute("CREATE TABLE IF NOT EXISTS t(a)")
        connection.execute("BEGIN IMMEDIATE")
        try:
            refused("old.db")
        finally:
            connection.close()

def test_sees_nothing_of_it(database):
    heavy = {"numpy", "rich", "lockscope.analysis", "lockscope.trace"}
    assert not heavy & set(sys.modules)
"""


def environment(**more: str) -> dict[str, str]:
    """Ours, without what would make an inner session part of an outer one."""
    ours = ("LD_PRELOAD", "LOCKSCOPE_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, **more}


def session(
    folder: Path, *words: str, python: tuple[str, ...] = ("-m", "pytest"), **more: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *python, "-p", "no:randomly", *words]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(**more),
        input="typed\n",
        capture_output=True,
        text=True,
        check=False,
    )


def suite(folder: Path, text: str = SUITE) -> Path:
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (folder / "test_app.py").write_text(text)
    return folder


def outcomes(file: Path) -> dict[str, str]:
    """What JUnit says of each test: the tags of its failures and errors, empty where it passed."""
    found: dict[str, str] = {}
    for case in ET.parse(file).getroot().iter("testcase"):
        bad = [one.tag for one in case if one.tag in ("failure", "error", "skipped")]
        found[case.get("name", "")] = " ".join(bad)
    return found


def section(output: str, test: str) -> str:
    """What a session printed of one failing test."""
    after = output.split(f" {test} ___", 1)[1]
    return after.split("\n____", 1)[0].split("\n====", 1)[0]


@needs_recorder
def test_a_failing_tests_report_tells_who_held_what(tmp_path: Path) -> None:
    done = session(suite(tmp_path), "--lockscope", "--junit-xml=out.xml")
    assert done.returncode == 1
    assert outcomes(tmp_path / "out.xml") == {
        "test_passes": "",
        "test_child_is_refused": "failure",
        "test_fails_for_its_own_reasons": "failure",
        "test_swallows": "failure",
        "test_keeps_its_budget": "",
        "test_tear_down": "error",
        "test_set_up": "error",
        "test_method": "failure",
        "test_sees_nothing_of_it": "",
    }
    for test in ("test_child_is_refused", "ERROR at setup of test_set_up", "TestOld.test_method"):
        told = section(done.stdout, test)
        assert " lockscope ---" in told
        assert told.count("C01 no busy timeout (1 time") == 1
        assert ".db RESERVED then, taken by" in told
    assert " lockscope ---" not in section(done.stdout, "test_fails_for_its_own_reasons")
    swallowed = section(done.stdout, "test_swallows")
    assert "lock_budget is broken:\n  C01: C01 no busy timeout: " in swallowed
    torn_down = section(done.stdout, "ERROR at teardown of test_tear_down")
    assert "failed: Waits that ended in vain: 1;" in torn_down
    [trace] = tmp_path.glob("pytest-*.trace")
    assert f"\nlockscope: {trace.name}\n" in done.stdout
    assert done.stderr.strip() == (
        f"lockscope: 1 finding (C01). `lockscope report {trace.name}` tells more."
    )


@needs_recorder
def test_the_options_of_pytest_stay_what_they_are(tmp_path: Path) -> None:
    suite(tmp_path)
    words = ("--lockscope", "--lockscope-trace", "first.trace", "-x", "-k", "refused or swallows")
    first = session(tmp_path, *words)
    assert first.returncode == 1
    assert "1 failed, 7 deselected" in first.stdout
    again = session(tmp_path, "--lockscope", "--lockscope-trace=again.trace", "--lf", "-s")
    assert "1 failed" in again.stdout
    assert " lockscope ---" in again.stdout
    assert {"first.trace", "again.trace"} <= {path.name for path in tmp_path.iterdir()}
    assert session(tmp_path, "--lockscope", "-k", "nothing_so_called").returncode == 5


@needs_recorder
def test_workers_share_a_recording_and_tell_of_their_own(tmp_path: Path) -> None:
    if importlib.util.find_spec("xdist") is None:
        pytest.skip("needs pytest-xdist")
    # Both refusals happen while the other test still runs: only the processes tell them apart.
    text = SUITE.split("def test_passes", maxsplit=1)[0]
    for mine, other in (("one", "two"), ("two", "one")):
        text += f"""
def test_{mine}(writing):
    try:
        refused(writing)
    finally:
        pathlib.Path({str(tmp_path)!r}, "{mine}").touch()
        while not pathlib.Path({str(tmp_path)!r}, "{other}").exists():
            os.sched_yield()

"""
    done = session(suite(tmp_path, text), "--lockscope", "-n", "2")
    assert done.returncode == 1
    for test in ("test_one", "test_two"):
        told = section(done.stdout, test)
        assert told.count("C01 no busy timeout (1 time") == 1
    assert done.stderr.startswith("lockscope: 1 finding (C01).")
    assert len(list(tmp_path.glob("*.trace"))) == 1


@needs_recorder
def test_input_and_signals_reach_the_tests(tmp_path: Path) -> None:
    suite(tmp_path, "def test_reads():\n    assert input() == 'typed'\n")
    assert session(tmp_path, "--lockscope", "-s").returncode == 0
    hangs = "import signal\ndef test_hangs():\n    print('ready', flush=True)\n    signal.pause()\n"
    suite(tmp_path, hangs)
    command = [sys.executable, "-m", "pytest", "--lockscope", "-s", "-p", "no:faulthandler"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert any("ready" in line for line in running.stdout)
        running.send_signal(signal.SIGTERM)
        running.stdout.read()
    assert running.returncode == -signal.SIGTERM


@needs_recorder
def test_a_session_that_is_recorded_already_is_not_recorded_twice(tmp_path: Path) -> None:
    outer = ("-m", "lockscope", "trace", "--brief", "-o", "outer.trace", "--", sys.executable)
    done = session(
        suite(tmp_path), "--lockscope", "-k", "swallows", python=(*outer, "-m", "pytest")
    )
    assert done.returncode == 1
    assert "lockscope: outer.trace" in done.stdout
    assert "lock_budget is broken" in done.stdout
    assert [path.name for path in tmp_path.glob("*.trace")] == ["outer.trace"]


def test_where_pytest_was_called_by_a_program_it_says_so(tmp_path: Path) -> None:
    suite(tmp_path)
    (tmp_path / "runner.py").write_text(
        "import sys, pytest\nsys.exit(pytest.main(['--lockscope', '-k', 'swallows']))\n"
    )
    done = session(tmp_path, python=("runner.py",))
    assert done.returncode == 0
    assert "lockscope: nothing is recorded: " in done.stdout
    assert not list(tmp_path.glob("*.trace"))


@pytest.mark.parametrize(("strict", "status"), [((), 0), (("--lockscope-strict",), 1)])
def test_without_a_recorder_a_budget_is_an_error_only_if_asked(
    tmp_path: Path, strict: tuple[str, ...], status: int
) -> None:
    source = Path(lockscope.__file__).parent
    bare = tmp_path / "bare"
    shutil.copytree(
        source, bare / "lockscope", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    words = ("--lockscope", "-k", "swallows", "-p", "lockscope.cli.pytest_plugin", *strict)
    done = session(
        suite(tmp_path), *words, PYTHONPATH=str(bare), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"
    )
    assert done.returncode == status
    assert "lockscope: nothing is recorded: " in done.stdout
    assert ("lock_budget cannot be checked" in done.stdout) == bool(strict)


@pytest.mark.parametrize(
    ("marker", "sentence"),
    [
        ("fail_on='deadlok'", "there is no gate 'deadlok'; did you mean 'deadlock'?"),
        ("max_holt='1s'", "it takes fail_on, max_hold, max_wait, by name"),
    ],
)
def test_a_wrong_marker_runs_no_test(tmp_path: Path, marker: str, sentence: str) -> None:
    text = f"import pytest\n@pytest.mark.lock_budget({marker})\ndef test_it(): pass\n"
    main = ("-c", "import pytest, sys; sys.exit(pytest.main(['--lockscope']))")
    done = session(suite(tmp_path, text), python=main)
    assert done.returncode == 4
    assert f"test_app.py::test_it: lock_budget: {sentence}" in done.stdout + done.stderr


def test_a_program_that_imports_lockscope_first_is_not_warned(tmp_path: Path) -> None:
    # Where lockscope is installed from a wheel: an editable install names no module to pytest.
    suite(tmp_path, "def test_it(): pass")
    program = "import lockscope, pytest, sys; sys.exit(pytest.main(['-W', 'error']))"
    assert session(tmp_path, python=("-W", "error", "-c", program)).returncode == 0


@needs_recorder
def test_an_occupied_folder_is_left_alone(tmp_path: Path) -> None:
    done = session(suite(tmp_path), "--lockscope", "--lockscope-trace", ".")
    assert done.returncode == 4
    assert "name another with --lockscope-trace" in done.stderr


def test_a_session_without_the_option_pays_next_to_nothing() -> None:
    heavy = "{'numpy', 'rich', 'sqlite3', 'lockscope.capture', 'lockscope.analysis'}"
    program = f"import sys, lockscope.cli.pytest_plugin; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("option", ["--help", "--collect-only"])
def test_a_session_that_runs_no_test_is_not_recorded(tmp_path: Path, option: str) -> None:
    assert session(suite(tmp_path), "--lockscope", option).returncode == 0
    assert not list(tmp_path.glob("*.trace"))
