"""C21: a TRUNCATE checkpoint waits for a reader while it holds the write lock; writers time out."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE readings(value REAL)")
    connection.execute("INSERT INTO readings VALUES (20.5)")
    connection.commit()
    yield
    connection.close()


def read(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT value FROM readings").fetchall()
    yield
    connection.execute("COMMIT")
    connection.close()


def write(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    connection.execute("INSERT INTO readings VALUES (21.5)")
    yield
    connection.execute("INSERT INTO readings VALUES (22.5)")
    connection.close()
    yield


def checkpoint(database: Path, mode: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=60)
    connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
    connection.close()
    yield


def _played(stage: Stage, mode: str) -> None:
    keeper = stage.actor(create)
    keeper.step()
    reader, writer = stage.actor(read), stage.actor(write)
    reader.step()
    writer.step()
    checkpointer = stage.actor(checkpoint, mode)
    if mode == "PASSIVE":
        checkpointer.step()
        writer.step()
        reader.step()
        return
    checkpointer.begin()  # holds the write lock, and waits for the reader
    while "locked" not in stage.actor(write).step():
        pass  # until it has come so far
    reader.step()
    checkpointer.outcome()


def ill(stage: Stage) -> None:
    _played(stage, "TRUNCATE")


def cured(stage: Stage) -> None:
    _played(stage, "PASSIVE")


if __name__ == "__main__":
    play(__file__, ill, cured, (create, read, write, checkpoint))
