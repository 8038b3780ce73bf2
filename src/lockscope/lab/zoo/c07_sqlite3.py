"""C07: one short transaction follows on the other, each of another process: the lock is taken
nearly all the time, and a process that waits for it gives up.
"""

import sqlite3
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Final

from lockscope.lab.zoo.stage import Stage, play

_WORKERS: Final = 6
_WORK_S: Final = 0.07


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE jobs(name TEXT)")
    connection.commit()
    connection.close()
    yield


def work(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    yield
    while True:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO jobs VALUES ('done')")
        yield
        until = time.monotonic() + _WORK_S
        while time.monotonic() < until:
            connection.execute("SELECT count(*) FROM jobs").fetchall()
        yield
        connection.execute("COMMIT")
        yield


def work_for_all(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    until = time.monotonic() + _WORK_S
    while time.monotonic() < until:
        connection.execute("SELECT count(*) FROM jobs").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO jobs VALUES (?)", [("done",)] * _WORKERS)
    connection.execute("COMMIT")
    connection.close()
    yield


def late(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.35)
    connection.execute("SELECT count(*) FROM jobs").fetchall()
    yield
    connection.execute("INSERT INTO jobs VALUES ('late')")
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    workers = [stage.actor(work) for _ in range(_WORKERS)]
    waiter = stage.actor(late)
    for actor in (*workers, waiter):
        actor.step()
    workers[0].step()
    waiter.begin()
    turns = cycle(workers)
    now = next(turns)
    while not waiter.is_ready():
        now.step()  # works
        waiter.stop()  # it never asks in the moment in which nobody has the lock
        now.step()
        now = next(turns)
        now.step()
        waiter.go_on()
    for worker in workers:
        worker.kill()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    waiter = stage.actor(late)
    waiter.step()
    stage.actor(work_for_all).step()
    waiter.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, work, work_for_all, late))
