"""`lockscope.who` and `lockscope.explain` in a program that uses the database itself."""

import json
import sqlite3
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

import lockscope
from holders import held_by, write_transaction
from lockscope.errors import DatabaseError, UsageError

pytestmark = pytest.mark.skipif(
    not Path("/proc/locks").exists(), reason="no /proc/locks on this system"
)

MODEL = {
    "HeldLock", "Holder", "Opener", "Pin", "Process", "Sampling", "Snapshot", "Waiter",
    "WalState", "Writer",
}  # fmt: skip


def test_the_names_are_these() -> None:
    assert set(lockscope.__all__) == {"__version__", "explain", "who"} | MODEL
    assert all(hasattr(lockscope, name) for name in lockscope.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = lockscope.nothing


def test_importing_it_costs_nothing() -> None:
    program = "import sys; before = set(sys.modules); import lockscope; import json; "
    program += "print(json.dumps(sorted(set(sys.modules) - before - {'json'})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = {name for name in json.loads(done.stdout) if not name.startswith("json")}
    assert {name for name in loaded if name.startswith("lockscope")} == {"lockscope"}
    assert not loaded & {"numpy", "psutil", "rich", "dataclasses", "subprocess", "sqlite3"}


def test_a_snapshot_is_frozen_and_typed(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    with held_by(*write_transaction(database)) as holder:
        seen = lockscope.who(database, stack=False)
    assert isinstance(seen, lockscope.Snapshot)
    assert [one.process.pid for one in seen.holders] == [holder.pid]
    assert typing.get_type_hints(lockscope.Snapshot)["write_locked"] is bool
    with pytest.raises(AttributeError):
        seen.write_locked = False  # type: ignore[misc]  # it is what must not be allowed


def test_what_cannot_be_told_is_raised(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"none\.db does not exist") as caught:
        lockscope.who(tmp_path / "none.db")
    assert str(caught.value.path) == str(tmp_path / "none.db")
    with pytest.raises(UsageError):
        lockscope.who(":memory:")


MANY_CALLS = """
import json, sqlite3, sys, threading
import lockscope
from concurrent.futures import ThreadPoolExecutor
path, mode = sys.argv[1:]
connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
connection.execute("PRAGMA journal_mode=" + mode)
connection.execute("CREATE TABLE t(x)")
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO t VALUES(1)")
error = sqlite3.OperationalError("database is locked")

def own_locks():
    import os
    mine = f" {os.getpid()} "
    return sorted(line.split(":", 1)[1] for line in open("/proc/locks") if mine in line)

def call(number):
    if number % 2:
        return lockscope.explain(error)
    seen = lockscope.who(path, stack=False)
    return [lock.name for lock in seen.holders[0].locks], seen.holders[0].process.pid

before = own_locks()
here = call(0), call(1)
with ThreadPoolExecutor(4) as pool:
    told = list(pool.map(call, range(98)))
print(json.dumps({"before": before, "after": own_locks(), "told": [*here, *told]}))
connection.execute("COMMIT")
"""


@pytest.mark.parametrize(
    ("mode", "locks"),
    [("DELETE", ["RESERVED", "SHARED"]), ("WAL", ["SHARED", "WAL WRITE", "WAL READ1", "WAL DMS"])],
)
def test_a_programs_own_locks_survive_a_hundred_calls_from_threads(
    tmp_path: Path, mode: str, locks: list[str]
) -> None:
    database = tmp_path / "app.db"
    with subprocess.Popen(
        [sys.executable, "-c", MANY_CALLS, database, mode], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        seen: dict[str, Any] = json.loads(program.stdout.read())
    assert program.returncode == 0
    assert len(seen["before"]) > 1
    assert seen["after"] == seen["before"]
    assert len(seen["told"]) == 100
    assert seen["told"][0] == [locks, program.pid]
    assert [told for told in seen["told"][2::2] if told != seen["told"][0]] == []
    for sentence in seen["told"][1::2]:
        assert f"app.db is write-locked by pid {program.pid} (" in sentence
        assert "That is this very process" in sentence


def refused(database: Path, *statements: str) -> sqlite3.OperationalError:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0)
    try:
        for statement in statements:
            connection.execute(statement).fetchall()
    except sqlite3.OperationalError as error:
        return error
    finally:
        connection.close()
    pytest.fail("it was not refused")


def test_an_error_is_explained_by_the_holder(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    with held_by(*write_transaction(database)) as holder:
        error = refused(database, "BEGIN IMMEDIATE")
        told = lockscope.explain(error, database)
    assert told.startswith(f"database is locked: app.db is write-locked by pid {holder.pid} (")
    assert "Whoever held it has let go" in lockscope.explain(error, database)


def test_an_error_that_wraps_it_is_explained(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    with held_by(*write_transaction(database)) as holder:
        wrapping = RuntimeError("the work failed")
        wrapping.__cause__ = refused(database, "BEGIN IMMEDIATE")
        assert f"by pid {holder.pid} (" in lockscope.explain(wrapping, database)


def test_without_a_path_and_without_an_open_database_it_says_what_it_needs(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    with held_by(*write_transaction(database)):
        error = refused(database, "BEGIN IMMEDIATE")
    program = (
        "import sqlite3, lockscope; "
        "print(lockscope.explain(sqlite3.OperationalError('database is locked')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "has none open, so give explain() the path" in done.stdout
    assert str(error) in done.stdout


def test_what_no_other_process_can_cause_is_told_apart(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    with sqlite3.connect(database, isolation_level=None) as first:
        first.execute("PRAGMA journal_mode=WAL")
        first.execute("CREATE TABLE t(x)")
        second = sqlite3.connect(database, isolation_level=None, timeout=0)
        second.execute("BEGIN")
        second.execute("SELECT * FROM t").fetchall()
        first.execute("INSERT INTO t VALUES(1)")
        with pytest.raises(sqlite3.OperationalError) as stale:
            second.execute("INSERT INTO t VALUES(2)")
        assert "BEGIN IMMEDIATE" in lockscope.explain(stale.value, database)
        second.close()
    first.close()
    assert "no error of locking" in lockscope.explain(ValueError("something else"), database)
