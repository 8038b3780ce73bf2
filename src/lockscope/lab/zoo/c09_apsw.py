"""C09: a busy handler in Python sleeps a whole second; the lock is free after a moment."""

import time
from collections.abc import Iterator
from pathlib import Path

import apsw

from lockscope.lab.zoo.stage import Stage, play, tell_step


def create(database: Path) -> Iterator[None]:
    connection = apsw.Connection(str(database))
    connection.execute("CREATE TABLE rides(name TEXT)")
    connection.close()
    yield


def hold(database: Path) -> Iterator[None]:
    connection = apsw.Connection(str(database))
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO rides VALUES ('up')")
    yield
    connection.execute("COMMIT")
    connection.close()


def write(database: Path, pause_s: str) -> Iterator[None]:
    connection = apsw.Connection(str(database))

    def handler(tries: int) -> bool:
        if tries == 0:
            tell_step()
        time.sleep(float(pause_s))
        return True

    connection.set_busy_handler(handler)
    connection.execute("INSERT INTO rides VALUES ('down')")
    connection.close()
    yield


def _played(stage: Stage, pause_s: str) -> None:
    stage.actor(create).step()
    holder, waiter = stage.actor(hold), stage.actor(write, pause_s)
    holder.step()
    waiter.step()  # was denied, and is about to sleep
    holder.step()
    waiter.step()


def ill(stage: Stage) -> None:
    _played(stage, "1")


def cured(stage: Stage) -> None:
    _played(stage, "0.001")


if __name__ == "__main__":
    play(__file__, ill, cured, (create, hold, write))
