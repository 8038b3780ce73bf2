"""`lockscope check DATABASE`: what is told, and the exit status."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

import lockscope.report
from holders import held_by, write_transaction


def check(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lockscope", "check", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t(x)")
    return path


def test_the_document_holds_the_machine_and_the_database(database: Path) -> None:
    with held_by(*write_transaction(database)) as holder:
        done = check("--json", database, cwd=database.parent)
    document = json.loads(done.stdout)
    schema = json.loads((resources.files(lockscope.report) / "schemas" / "check.json").read_text())
    jsonschema.validate(document, schema)
    found = {one["name"]: one for one in document["database"]["checks"]}
    assert document["database"]["path"] == str(database)
    assert f"pid {holder.pid} (" in found["open in"]["found"]
    assert document["database"]["fine"] is all(
        one["verdict"] == "fine" for one in document["database"]["checks"]
    )
    is_fine = document["fit"] and document["database"]["fine"]
    assert done.returncode == (0 if is_fine else 1)


def test_a_person_is_told_what_is_wrong_first(database: Path) -> None:
    database.with_name("other.db").hardlink_to(database)
    done = check(database, "--integrity", cwd=database.parent)
    assert done.returncode == 1
    title, _, first, *rest = done.stdout.splitlines()
    assert title.startswith(f"{database}: ")
    assert first.startswith("warning  names")
    assert any(line.startswith("fine     integrity") for line in rest)
    assert max(len(line) for line in (first, *rest)) <= 80
    assert "\x1b" not in done.stdout


def test_the_answer_can_be_written_to_a_file(database: Path) -> None:
    done = check(f"sqlite:///{database}", "-o", "answer.txt", cwd=database.parent)
    assert done.stdout == ""
    assert "rollback journal" in (database.parent / "answer.txt").read_text()


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["nowhere.db"], 3, "does not exist"),
        (["."], 3, "is a folder"),
        (["text.txt"], 3, "is not an SQLite database"),
        (["pipe"], 3, "is not a regular file"),
        (["postgresql://host/name"], 3, "not supported yet"),
        (["http://host/name"], 2, "not an address lockscope knows"),
        ([":memory:"], 2, "belongs to one process alone"),
        (["--integrity"], 2, "give its path too"),
    ],
)
def test_what_is_no_database_is_one_sentence(
    tmp_path: Path, words: list[str], status: int, told: str
) -> None:
    (tmp_path / "text.txt").write_text("no database\n" * 20)
    os.mkfifo(tmp_path / "pipe")
    done = check(*words, cwd=tmp_path)
    assert done.returncode == status
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
