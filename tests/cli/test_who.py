"""`lockscope who` on the command line, with holders that hold until they are told to let go."""

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import lockscope.report
from holders import held_by, write_transaction

pytestmark = pytest.mark.skipif(
    not Path("/proc/locks").exists(), reason="no /proc/locks on this system"
)


def who(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lockscope", "who", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def document(*words: object) -> dict[str, Any]:
    done = who(*words, "--json")
    answer: dict[str, Any] = json.loads(done.stdout)
    schema = json.loads((resources.files(lockscope.report) / "schemas" / "who.json").read_text())
    jsonschema.validate(answer, schema)
    assert done.returncode == (1 if answer["write_locked"] else 0)
    assert done.stderr == ""
    return answer


def test_the_first_line_names_the_holder(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    with held_by(*write_transaction(database)) as holder:
        done = who(database)
    assert done.returncode == 1
    assert done.stdout.startswith(f"app.db is write-locked by pid {holder.pid} (python")
    assert "RESERVED  is in a write transaction" in done.stdout
    assert "\nNext: " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\033" not in done.stdout


def test_the_document_keeps_its_schema(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    with held_by(*write_transaction(database)) as holder:
        answer = document(database)
    assert answer["database"] == str(database)
    [held] = answer["holders"]
    assert held["pid"] == holder.pid
    assert held["writes"]
    assert [lock["name"] for lock in held["locks"]] == ["RESERVED", "SHARED"]
    assert document(database)["holders"] == []
