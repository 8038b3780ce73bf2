"""C15: each new connection of an engine sets WAL mode; one is refused while another one writes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, text

from lockscope.lab.zoo.stage import Stage, play


def _set_wal(connection: Any, _record: object) -> None:  # noqa: ANN401 - whatever driver it is
    connection.execute("PRAGMA journal_mode=WAL")


def create(database: Path, journal: str) -> Iterator[None]:
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(text(f"PRAGMA journal_mode={journal}"))
        connection.execute(text("CREATE TABLE events(name TEXT)"))
    engine.dispose()
    yield


def write(database: Path) -> Iterator[None]:
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO events VALUES ('begun')"))
        yield
    engine.dispose()


def start(database: Path) -> Iterator[None]:
    engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": 60})
    event.listen(engine, "connect", _set_wal)
    with engine.connect() as connection:
        connection.execute(text("SELECT count(*) FROM events")).all()
    engine.dispose()
    yield


def _played(stage: Stage, journal: str) -> None:
    stage.actor(create, journal).step()
    writer, starter = stage.actor(write), stage.actor(start)
    writer.step()
    starter.step()
    writer.step()


def ill(stage: Stage) -> None:
    _played(stage, "delete")


def cured(stage: Stage) -> None:
    _played(stage, "wal")  # set once, where the database was made: nothing is left to change


if __name__ == "__main__":
    play(__file__, ill, cured, (create, write, start))
