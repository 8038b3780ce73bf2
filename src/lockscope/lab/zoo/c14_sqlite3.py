"""C14: in WAL mode a transaction has read, another one commits, and the first wants to write."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER)")
    connection.execute("INSERT INTO counters VALUES ('visits', 0)")
    connection.commit()
    connection.close()
    yield


def count(database: Path, begin: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=60)
    connection.execute(begin)
    [[value]] = connection.execute("SELECT value FROM counters").fetchall()
    yield
    try:
        connection.execute("UPDATE counters SET value = ?", (value + 1,))
        connection.execute("COMMIT")
    except sqlite3.OperationalError:
        connection.execute("ROLLBACK")
        raise
    connection.close()
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    first, second = stage.actor(count, "BEGIN"), stage.actor(count, "BEGIN")
    first.step()
    second.step()
    first.step()
    second.step()  # refused: what it read is no longer what is there


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    first, second = stage.actor(count, "BEGIN IMMEDIATE"), stage.actor(count, "BEGIN IMMEDIATE")
    first.step()
    second.begin()
    first.step()
    second.outcome()
    second.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, count))
