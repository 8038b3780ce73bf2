"""`lockscope who` on the command line, with holders that hold until they are told to let go."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
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


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_text(path: Path) -> None:
    path.write_text("this is no database\n" * 20)


def make_encrypted(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 16)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (Path.mkdir, "is a folder"),
        (make_fifo, "is not a regular file"),
        (make_text, "is not an SQLite database"),
        (make_encrypted, "is not an SQLite database (or it is encrypted)"),
        (lambda path: path.symlink_to(path), "cannot be looked at"),
        (lambda _: None, "does not exist"),
    ],
)
def test_what_is_no_database_is_told_in_a_sentence(
    tmp_path: Path, make: Callable[[Path], object], sentence: str
) -> None:
    make(tmp_path / "app.db")
    done = who(tmp_path / "app.db")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"lockscope: {tmp_path}/app.db {sentence}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        (":memory:", 2, "A database in memory belongs to one process alone"),
        ("", 2, "A database in memory belongs to one process alone"),
        ("sqlite://", 2, "names no file"),
        ("http://host/app.db", 2, "is not an address lockscope knows"),
        ("postgresql://host/db", 3, "PostgreSQL servers are not supported yet"),
        ("mariadb://host/db", 3, "MariaDB servers are not supported yet"),
    ],
)
def test_an_address_that_is_no_file_is_told_in_a_sentence(
    address: str, status: int, sentence: str
) -> None:
    done = who(address)
    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_file_is_a_database_before_its_first_page(tmp_path: Path) -> None:
    (tmp_path / "app.db").touch()
    done = who(f"sqlite:///{tmp_path}/app.db")
    assert (done.returncode, done.stdout) == (0, "app.db is not locked by anybody.\n")
    relative = who("sqlite:///app.db", cwd=tmp_path)
    assert (relative.returncode, relative.stdout) == (0, done.stdout)


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="no other user")
def test_a_database_that_may_not_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    database.write_bytes(b"SQLite format 3\0" + bytes(84))
    database.chmod(0)
    before = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    for folder in database.parents[:3] if before else ():
        folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run(
        [*before, sys.executable, "-m", "lockscope", "who", database],
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named" in done.stderr or "Permission denied: " in done.stderr:
        pytest.skip("another user cannot run this Python")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"lockscope: {database} cannot be read: Permission denied.")


def test_text_of_others_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    command = [*write_transaction(database), "\033[2Jgone\nforged: free"]
    with held_by(*command) as holder:
        done = who(database)
    assert "\033" not in done.stdout
    assert "\\x1b[2Jgone\\nforged: free" in done.stdout.replace("\n      ", " ")
    assert f"pid {holder.pid}" in done.stdout.splitlines()[0]


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    with held_by(*write_transaction(database)):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "lockscope", "who", "--no-stack", database],
            capture_output=True,
            text=True,
            check=False,
        )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "lockscope.live.snapshot" in imported
    heavy = {"numpy", "psutil", "rich", "sqlite3", "dataclasses", "inspect", "tempfile", "json"}
    assert not imported & heavy
