"""What is said of a database, each condition made for real."""

import contextlib
import grp  # noqa: F401 - loaded before a child becomes a user who cannot read our Python
import importlib
import importlib.util
import json
import os
import pwd  # noqa: F401 - as grp
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from holders import held_by, write_transaction
from lockscope.capture.mounts import mount_of
from lockscope.live import integrity
from lockscope.live.environment import Check, Verdict
from lockscope.live.health import examine
from lockscope.live.versions import known_bugs

_SPILLED = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size=2")
connection.execute("BEGIN")
for _ in range(50):
    connection.execute("INSERT INTO t VALUES (zeroblob(3000))")
print("held", flush=True)
sys.stdin.read()
"""
_OPEN = """\
import {module} as sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for line in {lines!r}:
    connection.execute(line).fetchall()
print("held", flush=True)
sys.stdin.read()
"""
_BUSY_WRITER = """\
import select, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
print("held", flush=True)
connection.execute("PRAGMA synchronous=off")
while not select.select([sys.stdin], [], [], 0)[0]:
    connection.execute("INSERT INTO t VALUES (zeroblob(500))")
    if len(sys.argv) > 2:
        connection.close()
        connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
"""
"""Waits for nobody: whoever were in its way would end it with an error."""
_NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def make(path: Path, mode: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("CREATE TABLE t(x)")
    return path


@pytest.fixture
def rollback(tmp_path: Path) -> Path:
    return make(tmp_path / "rollback.db", "delete")


@pytest.fixture
def wal(tmp_path: Path) -> Path:
    return make(tmp_path / "wal.db", "wal")


def opened_by(
    database: Path, *lines: str, module: str = "sqlite3"
) -> "contextlib.AbstractContextManager[subprocess.Popen[str]]":
    """A process that has run some statements and keeps its connection."""
    return held_by(sys.executable, "-c", _OPEN.format(module=module, lines=lines), database)


def killed(database: Path, program: str) -> None:
    """Run a program on a database up to its "held", and kill it."""
    with subprocess.Popen(
        [sys.executable, "-c", program, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.send_signal(signal.SIGKILL)


def checks(database: Path, *, with_integrity: bool = False) -> dict[str, Check]:
    return {check.name: check for check in examine(database, integrity=with_integrity).checks}


def wrong(found: dict[str, Check]) -> set[str]:
    """What is not fine, but for what depends on the machine that runs the tests."""
    return {
        name
        for name, check in found.items()
        if check.verdict is not Verdict.FINE
        and name != "file system"
        and not name.startswith("SQLite ")
    }


def content(folder: Path) -> dict[str, tuple[bytes, os.stat_result]]:
    return {path.name: (path.read_bytes(), path.stat()) for path in folder.iterdir()}


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "wal"])
def test_a_database_that_nobody_uses_is_healthy(tmp_path: Path, mode: str) -> None:
    found = checks(make(tmp_path / "a.db", mode), with_integrity=True)
    assert wrong(found) == set()
    assert found["journal mode"].found.startswith("WAL" if mode == "wal" else "rollback")
    assert found["pages"].found == "2 of 4,096 bytes: 8.2 kB"
    assert found["open in"].found.startswith("nobody that can be seen")
    assert found["integrity"].verdict is Verdict.FINE


def test_an_empty_database_is_healthy(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    found = checks(tmp_path / "a.db")
    assert wrong(found) == set()
    assert found["journal mode"].found.startswith("empty")


def test_a_journal_is_hot_only_when_its_writer_is_gone(rollback: Path) -> None:
    with held_by(sys.executable, "-c", _SPILLED, rollback) as writer:
        running = checks(rollback)
        assert running["rollback journal"].found == (
            f"rollback.db-journal: pid {writer.pid} is writing"
        )
        assert wrong(running) == set()
    assert wrong(checks(rollback)) == set()
    killed(rollback, _SPILLED)
    hot = checks(rollback, with_integrity=True)
    assert wrong(hot) == {"rollback journal", "integrity"}
    check = hot["rollback journal"]
    assert check.verdict is Verdict.WARNING
    assert "is hot: a writer ended within its transaction; the next process" in check.found
    assert "Never delete" in check.advice
    assert "rolled back first" in hot["integrity"].found
    assert rollback.with_name("rollback.db-journal").exists()
    with closing(sqlite3.connect(rollback)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert wrong(checks(rollback)) == set()


def test_who_will_roll_a_hot_journal_back_is_named(rollback: Path) -> None:
    with opened_by(rollback, "SELECT * FROM t") as idle:
        killed(rollback, _SPILLED)
        assert f"pid {idle.pid} is using the database, and the first to read it" in (
            checks(rollback)["rollback journal"].found
        )


def test_a_log_left_behind_is_told_with_and_without_its_index(wal: Path) -> None:
    killed(wal, _OPEN.format(module="sqlite3", lines=["INSERT INTO t VALUES (1)"]))
    left = checks(wal)["log"]
    assert left.verdict is Verdict.WARNING
    assert "left by a program that did not close the database" in left.found
    wal.with_name("wal.db-shm").unlink()
    alone = checks(wal, with_integrity=True)
    assert "without -shm was left" in alone["log"].found
    assert "Never delete" in alone["log"].advice
    assert alone["integrity"].verdict is Verdict.UNKNOWN
    with closing(sqlite3.connect(wal)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert wrong(checks(wal)) == set()


def test_an_index_removed_under_a_program_is_told(wal: Path) -> None:
    with opened_by(wal, "INSERT INTO t VALUES (1)") as user:
        assert wrong(checks(wal)) == set()
        wal.with_name("wal.db-shm").rename(wal.with_name("moved"))
        check = checks(wal)["log"]
        assert check.verdict is Verdict.FAILED
        assert f"pid {user.pid} is using the database: somebody removed it" in check.found


def test_exclusive_locking_mode_needs_no_index(wal: Path) -> None:
    with opened_by(wal, "PRAGMA locking_mode=exclusive", "INSERT INTO t VALUES (1)") as user:
        found = checks(wal)
        assert wrong(found) == set()
        assert f"pid {user.pid} is in exclusive locking mode" in found["log"].found


def test_the_log_of_a_predecessor_is_told(wal: Path, rollback: Path) -> None:
    killed(wal, _OPEN.format(module="sqlite3", lines=["INSERT INTO t VALUES (1)"]))
    rollback.replace(wal)
    check = checks(wal)["log"]
    assert check.verdict is Verdict.FAILED
    assert "beside a database that is not in WAL mode" in check.found


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_program_whose_database_was_replaced_is_told(tmp_path: Path, mode: str) -> None:
    database = make(tmp_path / "a.db", mode)
    with opened_by(database, "BEGIN", "SELECT * FROM t") as user:
        assert wrong(checks(database)) == set()
        make(tmp_path / "new.db", "delete").replace(database)
        check = checks(database)["replaced"]
        assert check.verdict is Verdict.FAILED
        assert f"pid {user.pid} (" in check.found


def test_a_second_name_is_told(rollback: Path) -> None:
    rollback.with_name("other.db").hardlink_to(rollback)
    assert "2 names" in checks(rollback)["names"].found


def test_a_reader_far_behind_is_told(wal: Path) -> None:
    with (
        opened_by(wal, "BEGIN", "SELECT * FROM t") as reader,
        opened_by(wal, "BEGIN", *["INSERT INTO t VALUES (zeroblob(5000))"] * 900, "COMMIT"),
    ):
        check = checks(wal)["checkpoint"]
        assert check.verdict is Verdict.WARNING
        assert f"pid {reader.pid} reads the" in check.found
    assert wrong(checks(wal)) == set()


def test_an_index_with_fewer_permissions_is_told(wal: Path) -> None:
    with opened_by(wal, "INSERT INTO t VALUES (1)"):
        assert wrong(checks(wal)) == set()
        wal.with_name("wal.db-shm").chmod(0o600)
        check = checks(wal)["wal.db-shm"]
        assert check.verdict is Verdict.WARNING
        assert "group, others may use the database and not this" in check.found


@contextlib.contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def as_nobody(database: Path) -> dict[str, list[str]]:
    """Verdict and words of each check, by a child that gave up its rights."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
            found = {name: [check.verdict, check.found] for name, check in checks(database).items()}
            os.write(writing, json.dumps(found).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        found = json.load(told)
    os.waitpid(child, 0)
    return found  # type: ignore[no-any-return] # json


@needs_root
def test_another_user_is_told_what_he_may_not() -> None:
    with public_folder() as folder:
        found = as_nobody(make(folder / "a.db", "delete"))
    assert found["a.db"][0] == found["folder"][0] == "warning"
    assert "may read it, not write it" in found["a.db"][1]
    assert "may not make files in it" in found["folder"][1]


@needs_root
def test_a_log_of_another_user_is_told() -> None:
    with public_folder() as folder:
        database = make(folder / "a.db", "wal")
        with opened_by(database, "INSERT INTO t VALUES (1)") as user:
            for path in (folder, database):
                os.chown(path, _NOBODY, _NOBODY)
            seen = as_nobody(database)
            assert seen["a.db"][0] == "fine"
            assert seen["a.db-shm"][0] == "warning"
            assert "the owner of the database" in seen["a.db-shm"][1]
            assert f"pid {user.pid} (" in seen["open in"][1]
            assert seen["SQLite unknown"][0] == "unknown"


def test_the_version_in_each_program_is_told(wal: Path) -> None:
    with opened_by(wal, "SELECT * FROM t") as user:
        found = checks(wal)
        assert f"pid {user.pid} (" in found["open in"].found
        assert f"(pid {user.pid})" in found[f"SQLite {sqlite3.sqlite_version}"].found


@pytest.mark.skipif(not importlib.util.find_spec("pysqlite3"), reason="no pysqlite3")
def test_the_version_linked_into_a_driver_is_told(wal: Path) -> None:
    driver = importlib.import_module("pysqlite3")
    with opened_by(wal, "SELECT * FROM t", module="pysqlite3") as user:
        check = checks(wal)[f"SQLite {driver.sqlite_version}"]
        assert f"(pid {user.pid})" in check.found
        assert "pysqlite3" in check.found


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="no sqlite3 shell")
def test_the_version_of_the_shell_is_told(wal: Path) -> None:
    told = subprocess.run(["sqlite3", "-version"], capture_output=True, text=True, check=True)
    with subprocess.Popen(
        ["sqlite3", wal], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write("SELECT * FROM t;\n.print held\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == "held\n"
        assert f"(pid {shell.pid})" in checks(wal)[f"SQLite {told.stdout.split()[0]}"].found
        shell.stdin.close()


@pytest.mark.parametrize(
    ("version", "is_wal", "fixes"),
    [
        ("3.51.2", True, ["3.51.3"]),
        ("3.51.3", True, []),
        ("3.50.7", True, []),
        ("3.44.6", True, []),
        ("3.45.0", True, ["3.51.3"]),
        ("3.51.1", True, ["3.51.3", "3.51.2"]),
        ("3.51.1", False, ["3.51.2"]),
        ("3.40.1", False, []),
        ("3.32.3", True, ["3.51.3", "3.33.0"]),
        ("3.7.6.2", True, ["3.51.3", "3.33.0", "3.7.6.3"]),
        ("3.7.6.3", True, ["3.51.3", "3.33.0"]),
        ("3.6.23", True, []),
    ],
)
def test_known_bugs_of_a_version(version: str, is_wal: bool, fixes: list[str]) -> None:  # noqa: FBT001 - a case
    found = known_bugs(version, is_wal=is_wal)
    assert [bug.fixed.split()[0] for bug in found] == fixes


def test_the_file_system_and_its_options_are_told(rollback: Path) -> None:
    mount = mount_of(str(rollback))
    told = (
        subprocess.run(
            ["findmnt", "--noheadings", "--output", "FSTYPE,TARGET", "--target", rollback],
            capture_output=True,
            text=True,
            check=False,
        )
        if shutil.which("findmnt")
        else None
    )
    if told is not None and told.returncode == 0:
        assert told.stdout.split() == [mount.kind, mount.point]
    assert "rw" in mount.options
    assert checks(rollback)["file system"].found.startswith(f"{mount.kind} at {mount.point} (rw")


def test_a_mount_point_with_blanks_and_letters_beyond_ascii_is_found(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 8:1 / / rw - ext4 /dev/a rw\n"
        "2 1 0:9 / /srv/m\u00e4rz\\040x ro,noatime shared:3 - nfs4 host:/x rw,vers=4\n",
        encoding="utf-8",
    )
    found = mount_of("/srv/m\u00e4rz x/app.db", str(table))
    assert (found.kind, found.options) == ("nfs4", ("ro", "noatime", "rw", "vers=4"))


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_integrity_reads_everything_and_leaves_no_file(tmp_path: Path, mode: str) -> None:
    database = make(tmp_path / "a.db", mode)
    before = {name: bytes_ for name, (bytes_, _) in content(tmp_path).items()}
    assert checks(database, with_integrity=True)["integrity"].verdict is Verdict.FINE
    assert {name: bytes_ for name, (bytes_, _) in content(tmp_path).items()} == before
    with opened_by(database, "INSERT INTO t VALUES (1)"):
        used = sorted(content(tmp_path))
        assert checks(database, with_integrity=True)["integrity"].verdict is Verdict.FINE
        assert sorted(content(tmp_path)) == used


def test_damage_is_told(rollback: Path) -> None:
    with rollback.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    check = checks(rollback, with_integrity=True)["integrity"]
    assert check.verdict is Verdict.FAILED
    assert "copy all its files together" in check.advice


def test_integrity_of_a_locked_database_is_unknown(
    rollback: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "_PATIENCE_S", 0.05)
    with opened_by(rollback, "BEGIN EXCLUSIVE"):
        check = checks(rollback, with_integrity=True)["integrity"]
    assert check.verdict is Verdict.UNKNOWN
    assert "it was locked" in check.found


@pytest.mark.parametrize(
    ("mode", "how"), [("delete", []), ("persist", []), ("wal", []), ("wal", ["closing"])]
)
def test_a_writer_at_work_is_neither_disturbed_nor_suspected(
    tmp_path: Path, mode: str, how: list[str]
) -> None:
    database = make(tmp_path / "a.db", mode)
    with held_by(sys.executable, "-c", _BUSY_WRITER, database, *how):
        for _ in range(40):
            assert wrong(checks(database)) <= {"checkpoint"}


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_bytes_locks_and_times_stay_as_they_are(tmp_path: Path, mode: str) -> None:
    database = make(tmp_path / "a.db", mode)
    with opened_by(database, "INSERT INTO t VALUES (1)"), held_by(*write_transaction(database)):
        before, locks = content(tmp_path), own_locks(database)
        assert locks
        for _ in range(3):
            checks(database)
        assert own_locks(database) == locks
        assert content(tmp_path) == before


def own_locks(database: Path) -> list[str]:
    """Lines of the kernel's list about a database's files, without their numbers."""
    inodes = {str(path.stat().st_ino) for path in database.parent.iterdir()}
    lines = Path("/proc/locks").read_text().splitlines()
    return sorted(
        line.partition(" ")[2] for line in lines if line.split()[5].split(":")[-1] in inodes
    )
