"""C29: several workers of one program make the schema at their start, all at once."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def migrate(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE IF NOT EXISTS users(name TEXT)")
    yield
    connection.execute("CREATE TABLE IF NOT EXISTS posts(text TEXT)")
    connection.execute("COMMIT")
    connection.close()


def ill(stage: Stage) -> None:
    workers = [stage.actor(migrate) for _ in range(3)]
    first, *others = workers
    first.step()
    for worker in others:
        worker.begin()
    for worker in others:
        worker.outcome()
    first.step()


def cured(stage: Stage) -> None:
    first, *others = [stage.actor(migrate) for _ in range(3)]
    first.step()
    first.step()  # one makes the schema before the others start
    for worker in others:
        worker.step()
        worker.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (migrate,))
