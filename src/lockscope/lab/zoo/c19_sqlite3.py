"""C19: a program reads row by row on one connection and writes on another: it waits for itself."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE mails(id INTEGER PRIMARY KEY, sent INTEGER)")
    connection.executemany("INSERT INTO mails VALUES (?, 0)", [(n,) for n in range(1000)])
    connection.commit()
    connection.close()
    yield


def send(database: Path, how: str) -> Iterator[None]:
    reading = sqlite3.connect(database)
    writing = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    cursor = reading.execute("SELECT id FROM mails WHERE sent = 0")
    rows = cursor.fetchmany(2) if how == "one by one" else cursor.fetchall()
    for (number,) in rows[:2]:
        writing.execute("UPDATE mails SET sent = 1 WHERE id = ?", (number,))
    writing.close()
    reading.close()
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(send, "one by one").step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(send, "all first").step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, send))
