"""`lockscope trace` as a gate in continuous integration."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lockscope.capture.preload import missing_sentence

pytestmark = pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())

REFUSED = """\
import sqlite3, sys
first = sqlite3.connect("a.db", isolation_level=None)
first.execute("CREATE TABLE IF NOT EXISTS t(a)")
first.execute("BEGIN IMMEDIATE")
import subprocess
code = "import sqlite3; sqlite3.connect('a.db', timeout=0).execute('INSERT INTO t VALUES (1)')"
subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
first.execute("COMMIT")
sys.exit(int(sys.argv[1]))
"""


def gate(folder: Path, *options: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    (folder / "refused.py").write_text(REFUSED)
    command = [sys.executable, "-m", "lockscope", "trace", "-q", "-o", "t.trace", *options, "--"]
    return subprocess.run(
        [*command, sys.executable, "refused.py", str(status)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_broken_gate_fails_a_command_that_did_not(tmp_path: Path) -> None:
    done = gate(tmp_path, "--fail-on", "c01,deadlock", "--max-wait", "10s", "--junit", "out.xml")
    assert (done.returncode, done.stdout) == (1, "")
    assert [line.split() for line in done.stderr.splitlines() if not line.startswith(" ")] == [
        ["broken", "C01"],
        ["holds", "deadlock"],
        ["holds", "max-wait", "10", "s"],
    ]
    suite = ET.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    failures = [case.get("name") for case in suite.iter("testcase") if len(case)]
    assert failures == ["C01"]


def test_gates_that_hold_leave_the_status_alone(tmp_path: Path) -> None:
    assert gate(tmp_path, "--fail-on", "C12").returncode == 0


def test_the_commands_own_failure_stays_its_own(tmp_path: Path) -> None:
    assert gate(tmp_path, "--fail-on", "C01", status=7).returncode == 7


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--fail-on", "deadlok"), "did you mean 'deadlock'?"),
        (("--fail-on", "C37"), "known are finding"),
        (("--fail-on", ","), "there is no gate ','"),
    ],
)
def test_an_unknown_gate_runs_nothing(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done = gate(tmp_path, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "t.trace").exists()
