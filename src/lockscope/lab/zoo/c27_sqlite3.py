"""C27: locking_mode=EXCLUSIVE keeps the lock between transactions, so that nobody else gets in."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def keep(database: Path, mode: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute(f"PRAGMA locking_mode={mode}")
    connection.execute("CREATE TABLE settings(name TEXT, value TEXT)")
    connection.execute("INSERT INTO settings VALUES ('theme', 'dark')")
    yield
    connection.execute("UPDATE settings SET value = 'light'")
    connection.close()


def read(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, timeout=0.3)
    connection.execute("SELECT value FROM settings").fetchall()
    connection.close()
    yield


def _played(stage: Stage, mode: str) -> None:
    stage.actor(keep, mode).step()
    stage.actor(read).step()


def ill(stage: Stage) -> None:
    _played(stage, "EXCLUSIVE")


def cured(stage: Stage) -> None:
    _played(stage, "NORMAL")


if __name__ == "__main__":
    play(__file__, ill, cured, (keep, read))
