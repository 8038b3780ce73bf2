"""C03: an exception between the first write and the commit leaks the transaction, and its lock."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE jobs(id INTEGER PRIMARY KEY, state TEXT)")
    connection.execute("INSERT INTO jobs VALUES (1, 'new')")
    connection.commit()
    connection.close()
    yield


def start_job(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE jobs SET state = 'running' WHERE id = 1")
    raise ValueError("the job's file is not there")


def leaks(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    with suppress(ValueError):
        start_job(connection)
        connection.commit()
    yield  # the program goes on, and never comes back to this connection


def rolls_back(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    with suppress(ValueError), connection:
        start_job(connection)
    yield


def other(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    connection.execute("UPDATE jobs SET state = 'done' WHERE id = 1")
    connection.close()
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(leaks).step()
    stage.actor(other).step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(rolls_back).step()
    stage.actor(other).step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, leaks, rolls_back, other))
