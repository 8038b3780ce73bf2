"""C17: with NullPool each call is the last connection, and locks the next call out as it closes."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine, text

from lockscope.lab.zoo.stage import Stage, open_door, play, shut_door


def _engine(database: Path, timeout: float = 5) -> Engine:
    given = {"timeout": timeout}
    return create_engine(f"sqlite:///{database}", connect_args=given, poolclass=NullPool)


def create(database: Path) -> Iterator[None]:
    with _engine(database).begin() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
        connection.execute(text("CREATE TABLE calls(name TEXT)"))
    yield


def keep_open(database: Path) -> Iterator[None]:
    with _engine(database).connect() as connection:
        connection.execute(text("SELECT count(*) FROM calls")).all()
        yield


def call(database: Path) -> Iterator[None]:
    with _engine(database).connect() as connection:
        connection.execute(text("INSERT INTO calls VALUES ('one')"))
        connection.commit()
        shut_door("sync")
    open_door()
    yield


def next_call(database: Path) -> Iterator[None]:
    with _engine(database, timeout=0.3).connect() as connection:
        connection.execute(text("SELECT count(*) FROM calls")).all()
    yield


def _called(stage: Stage) -> None:
    first, second = stage.actor(call, doors=True), stage.actor(next_call)
    first.step()
    second.step()
    first.step()


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    _called(stage)


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(keep_open).step()
    _called(stage)


if __name__ == "__main__":
    play(__file__, ill, cured, (create, keep_open, call, next_call))
