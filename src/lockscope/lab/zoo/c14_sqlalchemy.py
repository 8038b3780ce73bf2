"""C14: a SQLAlchemy transaction in WAL mode has read, another commits, and it wants to write."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, create_engine, event, text

from lockscope.lab.zoo.stage import Stage, play


def _engine(database: Path, begin: str) -> Engine:
    given = {"timeout": 60, "isolation_level": None}
    engine = create_engine(f"sqlite:///{database}", connect_args=given)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def create(database: Path) -> Iterator[None]:
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
        connection.execute(text("CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER)"))
        connection.execute(text("INSERT INTO counters VALUES ('visits', 0)"))
    engine.dispose()
    yield


def count(database: Path, begin: str) -> Iterator[None]:
    engine = _engine(database, begin)
    with engine.begin() as connection:
        value = connection.scalar(text("SELECT value FROM counters"))
        yield
        connection.execute(text("UPDATE counters SET value = :value"), {"value": value + 1})
    engine.dispose()
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    first, second = stage.actor(count, "BEGIN"), stage.actor(count, "BEGIN")
    first.step()
    second.step()
    first.step()
    second.step()  # refused: what it read is no longer what is there


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    first, second = stage.actor(count, "BEGIN IMMEDIATE"), stage.actor(count, "BEGIN IMMEDIATE")
    first.step()
    second.begin()
    first.step()
    second.outcome()
    second.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, count))
