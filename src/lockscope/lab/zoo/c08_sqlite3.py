"""C08: a process that imports takes the lock again as soon as it has released it; a process that
waits sleeps through each of those moments, and gives up.
"""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE lines(text TEXT)")
    connection.commit()
    connection.close()
    yield


def load(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    while True:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO lines VALUES ('loaded')")
        yield
        until = time.monotonic() + 0.015
        while time.monotonic() < until:
            connection.execute("SELECT count(*) FROM lines").fetchall()
        yield
        connection.execute("COMMIT")
        yield


def other(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    connection.execute("SELECT count(*) FROM lines").fetchall()
    yield
    connection.execute("INSERT INTO lines VALUES ('typed')")
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    loader, waiter = stage.actor(load), stage.actor(other)
    waiter.step()
    loader.step()
    waiter.begin()
    while not waiter.is_ready():
        loader.step()  # works
        waiter.stop()  # asleep, as it mostly is
        loader.step()
        loader.step()
        waiter.go_on()
    loader.kill()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    loader, waiter = stage.actor(load), stage.actor(other)
    waiter.step()
    loader.step()
    waiter.begin()
    loader.step()
    loader.step()
    waiter.outcome()  # the loader pauses until the other has had its turn
    loader.kill()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, load, other))
