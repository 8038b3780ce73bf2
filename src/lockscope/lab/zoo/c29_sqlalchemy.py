"""C29: every worker calls create_all at its start."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine, event

from lockscope.lab.zoo.stage import Stage, play

SCHEMA = MetaData()
Table("users", SCHEMA, Column("id", Integer, primary_key=True))
Table("posts", SCHEMA, Column("id", Integer, primary_key=True))


def _engine(database: Path) -> Engine:
    engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": 0.3})

    @event.listens_for(engine, "begin")
    def _(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    return engine


def migrate(database: Path) -> Iterator[None]:
    engine = _engine(database)
    with engine.begin() as connection:
        SCHEMA.create_all(connection)
        yield
    engine.dispose()


def ill(stage: Stage) -> None:
    workers = [stage.actor(migrate) for _ in range(3)]
    first, *others = workers
    first.step()
    for worker in others:
        worker.begin()
    for worker in others:
        worker.outcome()
    first.step()


def cured(stage: Stage) -> None:
    first, *others = [stage.actor(migrate) for _ in range(3)]
    first.step()
    first.step()
    for worker in others:
        worker.step()
        worker.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (migrate,))
