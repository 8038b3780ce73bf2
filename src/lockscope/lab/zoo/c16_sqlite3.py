"""C16: after a crash the first who opens the database recovers its log; who comes meanwhile times
out.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, open_door, play, shut_door


def write(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE notes(text TEXT)")
    yield
    connection.close()


def start(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    shut_door("read", "-wal")  # a long log, and a slow disk
    connection.execute("SELECT count(*) FROM notes").fetchall()
    open_door()
    yield
    connection.close()


def read(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    connection.execute("SELECT count(*) FROM notes").fetchall()
    connection.close()
    yield


def _started(stage: Stage) -> None:
    first, second = stage.actor(start, doors=True), stage.actor(read)
    first.step()
    second.step()
    first.step()


def ill(stage: Stage) -> None:
    writer = stage.actor(write)
    writer.step()
    writer.kill()
    _started(stage)


def cured(stage: Stage) -> None:
    writer = stage.actor(write)
    writer.step()
    writer.step()  # closes its connection, and leaves no log
    _started(stage)


if __name__ == "__main__":
    play(__file__, ill, cured, (write, start, read))
