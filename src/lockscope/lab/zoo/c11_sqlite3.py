"""C11: at its start a program inserts a row that is already there, and waits for the write lock."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play

_INSERT = "INSERT OR IGNORE INTO settings VALUES ('version', 1)"


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE settings(name TEXT PRIMARY KEY, value INTEGER)")
    connection.execute("INSERT INTO settings VALUES ('version', 1)")
    connection.commit()
    connection.close()
    yield


def start(database: Path, how: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    known = "SELECT 1 FROM settings WHERE name = 'version'"
    if how == "blindly" or not connection.execute(known).fetchall():
        connection.execute(_INSERT)
    connection.close()
    yield


def write(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO settings VALUES ('colour', 7)")
    yield
    connection.execute("COMMIT")
    connection.close()


def _played(stage: Stage, how: str) -> None:
    stage.actor(create).step()
    stage.actor(start, how).step()
    writer, second = stage.actor(write), stage.actor(start, how)
    writer.step()
    second.step()
    writer.step()


def ill(stage: Stage) -> None:
    _played(stage, "blindly")


def cured(stage: Stage) -> None:
    _played(stage, "after a look")


if __name__ == "__main__":
    play(__file__, ill, cured, (create, start, write))
