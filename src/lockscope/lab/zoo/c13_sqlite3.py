"""C13: in WAL mode a transaction has read, and wants to write while another one is writing."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE stock(item TEXT PRIMARY KEY, count INTEGER)")
    connection.execute("INSERT INTO stock VALUES ('lamp', 9), ('chair', 4)")
    connection.commit()
    connection.close()
    yield


def sell(database: Path, begin: str, item: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=60)
    connection.execute(begin)
    connection.execute("SELECT count FROM stock WHERE item = ?", (item,)).fetchall()
    yield
    try:
        connection.execute("UPDATE stock SET count = count - 1 WHERE item = ?", (item,))
    except sqlite3.OperationalError:
        connection.execute("ROLLBACK")
        raise
    yield
    connection.execute("COMMIT")
    connection.close()


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    first, second = stage.actor(sell, "BEGIN", "lamp"), stage.actor(sell, "BEGIN", "chair")
    first.step()
    second.step()
    first.step()
    second.step()  # refused at once, in spite of its minute of timeout
    first.step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    first = stage.actor(sell, "BEGIN IMMEDIATE", "lamp")
    second = stage.actor(sell, "BEGIN IMMEDIATE", "chair")
    first.step()
    second.begin()  # waits at its BEGIN
    first.step()
    first.step()
    second.outcome()
    second.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, sell))
