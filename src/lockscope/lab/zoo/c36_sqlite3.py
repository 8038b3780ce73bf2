"""C36: a backup is put in the place of a database that a program has open."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE settings(name TEXT, value TEXT)")
    connection.execute("INSERT INTO settings VALUES ('theme', 'dark')")
    connection.commit()
    connection.close()
    shutil.copyfile(database, database.with_name("backup.db"))
    yield


def serve(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("SELECT value FROM settings").fetchall()
    yield  # open, as a service is
    connection.execute("UPDATE settings SET value = 'light'")
    connection.commit()  # into a file that nobody will ever open again
    connection.close()
    yield


def restore(database: Path, how: str) -> Iterator[None]:
    backup = database.with_name("backup.db")
    if how == "by its name":
        backup.replace(database)
    else:
        with closing(sqlite3.connect(backup)) as old, closing(sqlite3.connect(database)) as live:
            old.backup(live)
    yield


def _played(stage: Stage, how: str) -> None:
    stage.actor(create).step()
    service = stage.actor(serve)
    service.step()
    stage.actor(restore, how).step()
    service.step()


def ill(stage: Stage) -> None:
    _played(stage, "by its name")


def cured(stage: Stage) -> None:
    _played(stage, "through SQLite")


if __name__ == "__main__":
    play(__file__, ill, cured, (create, serve, restore))
