"""What is told of a database whose files go while somebody uses them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lockscope.capture.preload import missing_sentence

pytestmark = pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())

LOCKSCOPE = (sys.executable, "-m", "lockscope")
PROGRAM = """\
import os, sqlite3, subprocess
connection = sqlite3.connect("a.db", isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("CREATE TABLE t(x)")
{}
connection.close()
"""


def report(tmp_path: Path, lines: str) -> tuple[dict[str, Any], str]:
    (tmp_path / "program.py").write_text(PROGRAM.format(lines))
    command = [*LOCKSCOPE, "trace", "-o", "t.trace", "--", sys.executable, "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    told = subprocess.run(
        [*LOCKSCOPE, "report", "--json", "t.trace"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(told.stdout), " ".join(done.stderr.split())


def causes(document: dict[str, Any]) -> list[str]:
    return [finding["cause"] for finding in document["findings"]]


def test_a_log_that_another_program_removes_is_a_finding(tmp_path: Path) -> None:
    document, text = report(tmp_path, 'subprocess.run(["rm", "a.db-wal"], check=True)')
    [removal] = document["removals"]
    assert (removal["how"], Path(removal["file"]).name) == ("unlinked", "a.db-wal")
    assert removal["pid"] not in removal["users"]
    assert len(removal["users"]) == 1
    assert causes(document) == ["C36"]
    assert "Files that lost their names: 1" in text
    assert f"Process {removal['pid']} (rm) unlinked a.db-wal at" in text


def test_a_line_of_python_that_replaces_a_database_is_named(tmp_path: Path) -> None:
    document, text = report(tmp_path, 'open("b", "w").close()\nos.replace("b", "a.db")')
    assert causes(document) == ["C36"]
    assert "replaced a.db by b at program.py:6 while process" in text


def test_sqlite_s_own_removals_are_not_told(tmp_path: Path) -> None:
    document, text = report(tmp_path, 'connection.execute("INSERT INTO t VALUES (1)")')
    assert document["removals"] == []
    assert "lost their names" not in text


def test_a_journal_mode_that_ends_the_log_is_sqlite_s_own(tmp_path: Path) -> None:
    document, _ = report(tmp_path, 'connection.execute("PRAGMA journal_mode=DELETE")')
    assert causes(document) == []
