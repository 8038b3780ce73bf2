"""C30: a connection is carried over fork: the child believes to hold the locks of its parent."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE visits(page TEXT)")
    connection.executemany("INSERT INTO visits VALUES (?)", [(f"page {n}",) for n in range(1000)])
    connection.commit()
    connection.close()
    yield


def _count(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("INSERT INTO visits VALUES ('a new one')")
    except sqlite3.OperationalError:
        os._exit(1)
    os._exit(0)


def serve(database: Path, how: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    visits = connection.execute("SELECT page FROM visits")
    if how == "inherited":
        visits.fetchone()
    else:
        visits.fetchall()
    child = os.fork()
    if not child:
        if how != "inherited":
            connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
        _count(connection)
    os.waitpid(child, 0)
    connection.close()
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(serve, "inherited").step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(serve, "opened after fork").step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, serve))
