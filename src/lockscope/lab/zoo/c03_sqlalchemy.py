"""C03: an exception leaves a SQLAlchemy session behind that nobody closes, and its transaction."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from lockscope.lab.zoo.stage import Stage, play


def _engine(database: Path, timeout: float = 5) -> Engine:
    return create_engine(f"sqlite:///{database}", connect_args={"timeout": timeout})


def create(database: Path) -> Iterator[None]:
    engine = _engine(database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE jobs(id INTEGER PRIMARY KEY, state TEXT)"))
        connection.execute(text("INSERT INTO jobs VALUES (1, 'new')"))
    engine.dispose()
    yield


def start_job(session: Session) -> None:
    session.execute(text("UPDATE jobs SET state = 'running' WHERE id = 1"))
    raise ValueError("the job's file is not there")


def leaks(database: Path) -> Iterator[None]:
    session = Session(_engine(database))
    with suppress(ValueError):
        start_job(session)
        session.commit()
    yield  # the program goes on, and never comes back to this session
    session.close()


def rolls_back(database: Path) -> Iterator[None]:
    with suppress(ValueError), Session(_engine(database)) as session, session.begin():
        start_job(session)
    yield


def other(database: Path) -> Iterator[None]:
    with Session(_engine(database, timeout=0.3)) as session:
        session.execute(text("UPDATE jobs SET state = 'done' WHERE id = 1"))
        session.commit()
    yield


def _played(stage: Stage, how: str) -> None:
    stage.actor(create).step()
    job, second = stage.actor(leaks if how == "leaks" else rolls_back), stage.actor(other)
    job.step()
    second.step()
    job.kill()


def ill(stage: Stage) -> None:
    _played(stage, "leaks")


def cured(stage: Stage) -> None:
    _played(stage, "rolls back")


if __name__ == "__main__":
    play(__file__, ill, cured, (create, leaks, rolls_back, other))
