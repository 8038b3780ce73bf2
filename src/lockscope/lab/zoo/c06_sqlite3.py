"""C06: the disk takes its time over a COMMIT, which keeps its lock meanwhile; others time out."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, open_door, play, shut_door


def create(database: Path, journal: str) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute("CREATE TABLE photos(name TEXT)")
    connection.commit()
    connection.close()
    yield


def store(database: Path, synchronous: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("INSERT INTO photos VALUES ('pier')")  # the first of a log syncs its header
    shut_door("sync")  # the memory card is busy: its next sync lasts until the director says so
    connection.execute("INSERT INTO photos VALUES ('lake')")
    open_door()
    yield
    connection.close()


def other(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    connection.execute("INSERT INTO photos VALUES ('wood')")
    connection.close()
    yield


def _played(stage: Stage, journal: str, synchronous: str) -> None:
    stage.actor(create, journal).step()
    slow, quick = stage.actor(store, synchronous, doors=True), stage.actor(other)
    slow.step()
    quick.step()
    slow.step()


def ill(stage: Stage) -> None:
    _played(stage, "delete", "FULL")


def cured(stage: Stage) -> None:
    _played(stage, "wal", "NORMAL")  # where a COMMIT waits for no disk


if __name__ == "__main__":
    play(__file__, ill, cured, (create, store, other))
