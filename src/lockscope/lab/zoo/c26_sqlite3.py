"""C26: two transactions write to two attached databases in opposite order: a deadlock."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def _opened(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.4)
    connection.execute("ATTACH ? AS archive", (str(database.with_name("archive.db")),))
    return connection


def create(database: Path) -> Iterator[None]:
    connection = _opened(database)
    connection.execute("CREATE TABLE main.items(id INTEGER)")
    connection.execute("CREATE TABLE archive.items(id INTEGER)")
    connection.close()
    yield


def move(database: Path, first: str, second: str) -> Iterator[None]:
    connection = _opened(database)
    connection.execute("BEGIN")
    connection.execute(f"INSERT INTO {first}.items VALUES (1)")
    yield
    with suppress(sqlite3.OperationalError):
        connection.execute(f"INSERT INTO {second}.items VALUES (1)")
    connection.execute("ROLLBACK")
    connection.close()
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    one, other = stage.actor(move, "main", "archive"), stage.actor(move, "archive", "main")
    one.step()
    other.step()
    one.begin()
    other.begin()
    one.outcome()
    other.outcome()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    one, other = stage.actor(move, "main", "archive"), stage.actor(move, "main", "archive")
    one.step()
    one.step()
    other.step()
    other.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, move))
