"""`lockscope check` on the machine that runs the tests."""

import json
import os
import platform
import sqlite3
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema

import lockscope.report
from lockscope.capture.preload import missing_sentence


def check(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lockscope", "check", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_document_tells_this_machine(tmp_path: Path) -> None:
    done = check("--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    schema = json.loads((resources.files(lockscope.report) / "schemas" / "check.json").read_text())
    jsonschema.validate(document, schema)
    assert document["sqlite"] == sqlite3.sqlite_version
    assert document["python_path"] == sys.executable
    assert document["system"].startswith(platform.system())
    assert document["folder"] == str(tmp_path)
    assert document["cores"] == len(os.sched_getaffinity(0))
    verdicts = {entry["name"]: entry["verdict"] for entry in document["checks"]}
    assert verdicts["locks are seen"] == "fine"
    recorded = "warning" if missing_sentence() else "fine"
    assert verdicts["interposition"] == verdicts["Python hook"] == recorded
    assert document["fit"] is (done.returncode == 0)
    assert list(tmp_path.iterdir()) == []


def test_the_table_can_be_written_to_a_file(tmp_path: Path) -> None:
    done = check("-o", "answer.txt", cwd=tmp_path)
    assert done.stdout == ""
    assert sqlite3.sqlite_version in (tmp_path / "answer.txt").read_text()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    done = check("-o", "nowhere/answer.txt", cwd=tmp_path)
    assert done.returncode == 3
    assert "nowhere/answer.txt cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
