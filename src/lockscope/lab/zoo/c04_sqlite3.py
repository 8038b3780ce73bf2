"""C04: a COMMIT that failed is not rolled back; its PENDING lock keeps even readers out."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path, journal: str) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute("CREATE TABLE notes(text TEXT)")
    connection.execute("INSERT INTO notes VALUES ('first'), ('second')")
    connection.commit()
    connection.close()
    yield


def browse(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT text FROM notes").fetchall()
    yield
    connection.execute("COMMIT")
    connection.close()
    yield


def note(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.2)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO notes VALUES ('third')")
    with suppress(sqlite3.OperationalError):  # goes on as if nothing had happened
        connection.execute("COMMIT")
    yield


def read(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, timeout=0.3)
    connection.execute("SELECT text FROM notes").fetchall()
    connection.close()
    yield


def _played(stage: Stage, journal: str) -> None:
    stage.actor(create, journal).step()
    reader = stage.actor(browse)
    reader.step()
    stage.actor(note).step()
    reader.step()
    stage.actor(read).step()  # in a rollback journal it is locked out, by nobody who reads


def ill(stage: Stage) -> None:
    _played(stage, "delete")


def cured(stage: Stage) -> None:
    _played(stage, "wal")  # no reader is in the way of a COMMIT


if __name__ == "__main__":
    play(__file__, ill, cured, (create, browse, note, read))
