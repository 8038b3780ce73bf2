"""C18: a SELECT that nobody read to its end keeps its read lock, and a COMMIT waits for it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE books(title TEXT)")
    connection.executemany("INSERT INTO books VALUES (?)", [(f"book {n}",) for n in range(1000)])
    connection.commit()
    connection.close()
    yield


def looks_at_one(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    cursor = connection.execute("SELECT title FROM books")
    cursor.fetchone()
    yield  # the cursor stays open, and with it the read lock
    cursor.close()
    connection.close()


def looks_at_all(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("SELECT title FROM books").fetchall()
    yield
    connection.close()


def write(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO books VALUES ('new')")
    try:
        connection.execute("COMMIT")
    except sqlite3.OperationalError:
        connection.execute("ROLLBACK")
        raise
    connection.close()
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    reader = stage.actor(looks_at_one)
    reader.step()
    stage.actor(write).step()
    reader.step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    reader = stage.actor(looks_at_all)
    reader.step()
    stage.actor(write).step()
    reader.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, looks_at_one, looks_at_all, write))
