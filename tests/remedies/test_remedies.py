"""Remedies in production: without the lab, with the standard library alone."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lockscope.remedies import REMEDIES, SHORT, STOCK, TIMEOUT, Remedy


class _Insert:
    def __init__(self, then: Callable[[sqlite3.Connection], None] = lambda _: None) -> None:
        self.steps: list[str] = []
        self._then = then

    def task(self) -> None:
        self.steps.append("task")

    def body(self, connection: sqlite3.Connection) -> None:
        self.steps.append("in transaction" if connection.in_transaction else "before it")
        connection.execute("INSERT INTO items VALUES (1)")
        self._then(connection)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE items(number)")
    return path


def _items(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        count: int = connection.execute("SELECT count(*) FROM items").fetchone()[0]
    return count


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.name)
def test_a_transaction_is_committed(database: Path, remedy: Remedy) -> None:
    insert = _Insert()
    remedy.run(database, insert, timeout_s=1)
    assert _items(database) == 1
    begun = "in transaction" if remedy.immediate else "before it"
    assert insert.steps == (["task", begun] if remedy is SHORT else [begun])


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.name)
def test_what_the_body_raises_is_rolled_back_and_passes(database: Path, remedy: Remedy) -> None:
    def fail(_: sqlite3.Connection) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        remedy.run(database, _Insert(fail), timeout_s=1)
    assert _items(database) == 0


def test_attempts_can_be_watched_with_their_exceptions(database: Path) -> None:
    seen: list[object] = []

    @contextmanager
    def around(number: int) -> Iterator[None]:
        seen.append(number)
        try:
            yield
        except sqlite3.Error as error:
            seen.append(error.sqlite_errorname)
            raise

    with closing(sqlite3.connect(database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            STOCK.run(database, _Insert(), timeout_s=0.05, around=around)
    assert seen == [1, "SQLITE_BUSY"]


def test_a_commit_refused_because_of_a_reader_is_no_unknown(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM items").fetchall()
        with pytest.raises(sqlite3.OperationalError) as caught:
            STOCK.run(database, _Insert(), timeout_s=0.05)
    assert type(caught.value) is sqlite3.OperationalError
    assert _items(database) == 0


def test_a_commit_refused_by_a_constraint_is_no_unknown(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE parent(id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE child(id REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")

    class Orphan:
        def task(self) -> None: ...

        def body(self, connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("INSERT INTO child VALUES (1)")

    with pytest.raises(sqlite3.IntegrityError):
        STOCK.run(database, Orphan(), timeout_s=1)


def test_the_outlasting_timeout_outlasts_every_hold() -> None:
    assert TIMEOUT.timeout_s(5, 100) > 100
    assert TIMEOUT.timeout_s(500, 0) == 500
    assert STOCK.timeout_s(5, 100) == 5


def test_remedies_need_the_standard_library_alone() -> None:
    script = (
        "import sys, lockscope.remedies; print([m for m in sys.modules if m.split('.')[0] in "
        "('numpy', 'rich', 'psutil') or m.startswith('lockscope.') and 'remedies' not in m])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
