"""C31: a program opens and closes its database's file beside SQLite, and loses its locks."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE state(value INTEGER)")
    connection.execute("INSERT INTO state VALUES (0)")
    connection.commit()
    connection.close()
    yield


def update(database: Path, how: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE state SET value = value + 1")
    if how == "by opening it":
        with database.open("rb") as file:
            file.read(16)  # is it a database? Closing it drops the write lock.
    else:
        database.stat()
    yield
    connection.execute("COMMIT")
    connection.close()


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(update, "by opening it").step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(update, "by its inode").step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, update))
