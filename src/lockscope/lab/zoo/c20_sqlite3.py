"""C20: a long reader in WAL mode keeps every checkpoint from finishing, and the log grows."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE measures(value REAL)")
    connection.execute("INSERT INTO measures VALUES (1.5)")
    yield
    connection.close()


def read(database: Path, how: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT value FROM measures").fetchall()
    if how == "briefly":
        connection.execute("COMMIT")
    yield
    connection.close()


def write(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    for _ in range(4):
        connection.executemany("INSERT INTO measures VALUES (?)", [(n / 7,) for n in range(50)])
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    yield
    connection.close()


def _played(stage: Stage, how: str) -> None:
    keeper = stage.actor(create)
    keeper.step()
    reader = stage.actor(read, how)
    reader.step()
    stage.actor(write).step()
    reader.step()


def ill(stage: Stage) -> None:
    _played(stage, "for long")


def cured(stage: Stage) -> None:
    _played(stage, "briefly")


if __name__ == "__main__":
    play(__file__, ill, cured, (create, read, write))
