"""C15: a program sets WAL mode at its start while another one writes, and is refused at once."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path, journal: str) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute("CREATE TABLE events(name TEXT)")
    connection.commit()
    connection.close()
    yield


def write(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO events VALUES ('begun')")
    yield
    connection.execute("COMMIT")
    connection.close()


def start(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=60)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    yield


def _played(stage: Stage, journal: str) -> None:
    stage.actor(create, journal).step()
    writer = stage.actor(write)
    writer.step()
    stage.actor(start).step()
    writer.step()


def ill(stage: Stage) -> None:
    _played(stage, "delete")


def cured(stage: Stage) -> None:
    _played(stage, "wal")  # set once, where the database was made: nothing is left to change


if __name__ == "__main__":
    play(__file__, ill, cured, (create, write, start))
