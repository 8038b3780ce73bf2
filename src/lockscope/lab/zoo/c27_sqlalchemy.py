"""C27: every connection of a SQLAlchemy engine is set to locking_mode=EXCLUSIVE."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, create_engine, event, text

from lockscope.lab.zoo.stage import Stage, play


def _engine(database: Path, mode: str) -> Engine:
    engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": 0.3})

    @event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA locking_mode={mode}")

    return engine


def keep(database: Path, mode: str) -> Iterator[None]:
    engine = _engine(database, mode)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE settings(name TEXT)"))
    yield  # the transaction is over, and its connection back in the pool
    engine.dispose()
    yield


def read(database: Path) -> Iterator[None]:
    with _engine(database, "NORMAL").connect() as connection:
        connection.execute(text("SELECT name FROM settings")).fetchall()
    yield


def _played(stage: Stage, mode: str) -> None:
    keeper = stage.actor(keep, mode)
    keeper.step()
    stage.actor(read).step()
    keeper.step()


def ill(stage: Stage) -> None:
    _played(stage, "EXCLUSIVE")


def cured(stage: Stage) -> None:
    _played(stage, "NORMAL")


if __name__ == "__main__":
    play(__file__, ill, cured, (keep, read))
