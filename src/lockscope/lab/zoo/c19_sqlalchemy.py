"""C19: a SQLAlchemy program reads row by row on one connection and writes on another."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine, text

from lockscope.lab.zoo.stage import Stage, play


def send(database: Path, how: str) -> Iterator[None]:
    engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": 0.3})
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE mails(id INTEGER PRIMARY KEY, sent INTEGER)"))
        mails = [{"id": n} for n in range(1000)]
        connection.execute(text("INSERT INTO mails VALUES (:id, 0)"), mails)
    with engine.connect() as reading:
        unsent = reading.execute(text("SELECT id FROM mails WHERE sent = 0"))
        rows = unsent.fetchall() if how == "all first" else unsent.fetchmany(2)
        for row in rows[:2]:
            with engine.begin() as writing:
                writing.execute(text("UPDATE mails SET sent = 1 WHERE id = :id"), {"id": row.id})
    yield


def ill(stage: Stage) -> None:
    stage.actor(send, "one by one").step()


def cured(stage: Stage) -> None:
    stage.actor(send, "all first").step()


if __name__ == "__main__":
    play(__file__, ill, cured, (send,))
