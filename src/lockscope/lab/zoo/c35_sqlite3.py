"""C35: a program dies in the middle of a large transaction; who comes next has to roll it back."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Actor, Stage, open_door, play, shut_door


def write(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("CREATE TABLE photos(id INTEGER PRIMARY KEY, pixels BLOB)")
    connection.execute("BEGIN")
    photos = [(number, bytes(3000)) for number in range(50)]
    connection.executemany("INSERT INTO photos VALUES (?, ?)", photos)
    connection.execute("COMMIT")
    connection.execute("PRAGMA cache_size=2")  # pages go to the file before the COMMIT
    connection.execute("BEGIN")
    connection.execute("UPDATE photos SET pixels = randomblob(3000)")
    yield
    connection.execute("ROLLBACK")
    connection.close()
    yield


def start(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    shut_door("sync", database.name)  # much to roll back, and a slow disk
    connection.execute("SELECT count(*) FROM photos").fetchall()
    open_door()
    yield
    connection.close()


def read(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0)
    connection.execute("SELECT count(*) FROM photos").fetchall()
    connection.close()
    yield


def _begun(stage: Stage) -> Actor:
    writer = stage.actor(write)
    writer.step()
    return writer


def _started(stage: Stage) -> None:
    first, second = stage.actor(start, doors=True), stage.actor(read)
    first.step()
    second.step()
    first.step()


def ill(stage: Stage) -> None:
    _begun(stage).kill()
    _started(stage)


def cured(stage: Stage) -> None:
    _begun(stage).step()  # told to end, it rolls back by itself
    _started(stage)


if __name__ == "__main__":
    play(__file__, ill, cured, (write, start, read))
