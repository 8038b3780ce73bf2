"""C01: a connection without a busy timeout is refused at once while another one writes."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE visits(page TEXT)")
    connection.commit()
    connection.close()
    yield


def visit(database: Path, timeout: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=float(timeout))
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO visits VALUES ('/home')")
    yield
    connection.execute("COMMIT")
    connection.close()


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    first, second = stage.actor(visit, "0"), stage.actor(visit, "0")
    first.step()
    second.step()  # refused
    first.step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    first, second = stage.actor(visit, "60"), stage.actor(visit, "60")
    first.step()
    second.begin()  # waits
    first.step()
    second.outcome()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, visit))
