"""C36: a database is deleted and made anew while a program in C has it open."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play

_MADE = "PRAGMA journal_mode=WAL; CREATE TABLE events(id INTEGER); INSERT INTO events VALUES (1)"


def empty(database: Path, how: str) -> Iterator[None]:
    if how == "deletes":
        database.unlink()
    else:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("DELETE FROM events")
    yield


def _played(stage: Stage, how: str) -> None:
    service = stage.program("serve", _MADE)
    service.step()
    stage.actor(empty, how).step()
    service.step()


def ill(stage: Stage) -> None:
    _played(stage, "deletes")


def cured(stage: Stage) -> None:
    _played(stage, "empties")


if __name__ == "__main__":
    play(__file__, ill, cured, (empty,))
