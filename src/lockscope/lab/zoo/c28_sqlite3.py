"""C28: a program is stopped (Ctrl-Z, a debugger) inside its transaction, and others wait for it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Actor, Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE jobs(name TEXT)")
    connection.commit()
    connection.close()
    yield


def work(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO jobs VALUES ('long')")
    yield
    connection.execute("COMMIT")
    connection.close()
    yield


def add(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, timeout=0.8)
    with connection:
        connection.execute("INSERT INTO jobs VALUES ('short')")
    connection.close()
    yield


def _begun(stage: Stage) -> Actor:
    stage.actor(create).step()
    worker = stage.actor(work)
    worker.step()
    return worker


def ill(stage: Stage) -> None:
    worker = _begun(stage)
    worker.stop()
    stage.actor(add).step()
    worker.go_on()
    worker.step()


def cured(stage: Stage) -> None:
    worker = _begun(stage)
    worker.step()
    worker.stop()  # between two transactions it is in nobody's way
    stage.actor(add).step()
    worker.go_on()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, work, add))
