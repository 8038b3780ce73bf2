"""C25: a table is dropped while a statement of the same connection still reads it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def replace(database: Path, how: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("CREATE TABLE cache(key TEXT)")
    connection.execute("INSERT INTO cache VALUES ('a'), ('b')")
    cursor = connection.execute("SELECT key FROM cache")
    cursor.fetchone()
    if how == "closes":
        cursor.close()
    connection.execute("DROP TABLE cache")
    connection.close()
    yield


def ill(stage: Stage) -> None:
    stage.actor(replace, "leaves open").step()


def cured(stage: Stage) -> None:
    stage.actor(replace, "closes").step()


if __name__ == "__main__":
    play(__file__, ill, cured, (replace,))
