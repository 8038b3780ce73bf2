"""C17: the last connection that is closed writes the log back with everybody locked out."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, open_door, play, shut_door


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE calls(name TEXT)")
    connection.commit()
    connection.close()
    yield


def keep_open(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("SELECT count(*) FROM calls").fetchall()
    yield
    connection.close()


def call(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("INSERT INTO calls VALUES ('one')")
    shut_door("sync")
    connection.close()
    open_door()
    yield


def next_call(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    connection.execute("SELECT count(*) FROM calls").fetchall()
    connection.close()
    yield


def _called(stage: Stage) -> None:
    first, second = stage.actor(call, doors=True), stage.actor(next_call)
    first.step()
    second.step()
    first.step()


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    _called(stage)


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(keep_open).step()
    _called(stage)


if __name__ == "__main__":
    play(__file__, ill, cured, (create, keep_open, call, next_call))
