"""C18: a SQLAlchemy result that is not read to its end keeps its read lock."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from lockscope.lab.zoo.stage import Stage, play


def _engine(database: Path, timeout: float = 5) -> Engine:
    return create_engine(f"sqlite:///{database}", connect_args={"timeout": timeout})


def create(database: Path) -> Iterator[None]:
    engine = _engine(database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE books(title TEXT)"))
        books = [{"title": f"book {n}"} for n in range(1000)]
        connection.execute(text("INSERT INTO books VALUES (:title)"), books)
    engine.dispose()
    yield


def looks(database: Path, how: str) -> Iterator[None]:
    engine = _engine(database)
    with engine.connect() as connection:
        result = connection.execute(text("SELECT title FROM books"))
        if how == "at one":
            result.fetchone()
        else:
            result.fetchall()
        yield
    engine.dispose()


def write(database: Path) -> Iterator[None]:
    engine = _engine(database, timeout=0.3)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO books VALUES ('new')"))
    engine.dispose()
    yield


def _played(stage: Stage, how: str) -> None:
    stage.actor(create).step()
    reader = stage.actor(looks, how)
    reader.step()
    stage.actor(write).step()
    reader.step()


def ill(stage: Stage) -> None:
    _played(stage, "at one")


def cured(stage: Stage) -> None:
    _played(stage, "at all")


if __name__ == "__main__":
    play(__file__, ill, cured, (create, looks, write))
