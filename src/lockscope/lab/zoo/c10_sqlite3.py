"""C10: VACUUM rewrites the whole database under one lock; whoever writes meanwhile times out."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play, tell_step


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE log(line TEXT)")
    connection.executemany("INSERT INTO log VALUES (?)", [("x" * 200,) for _ in range(20_000)])
    connection.execute("DELETE FROM log WHERE rowid % 2")
    connection.commit()
    connection.close()
    yield


def vacuum(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    # Called every so many steps of VACUUM: here the other program has its turn.
    turns = iter([None])

    def pause() -> int:
        if next(turns, "over") is None:
            tell_step()
        return 0

    connection.set_progress_handler(pause, 50_000)
    connection.execute("VACUUM")
    connection.close()
    yield


def write(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    connection.execute("INSERT INTO log VALUES ('new')")
    connection.close()
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    maintenance = stage.actor(vacuum)
    maintenance.step()  # half way
    stage.actor(write).step()
    maintenance.step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(write).step()
    maintenance = stage.actor(vacuum)  # when nobody writes
    maintenance.step()
    maintenance.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, vacuum, write))
