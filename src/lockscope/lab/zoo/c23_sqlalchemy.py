"""C23: two threads of one SQLAlchemy program write, each on a connection of the pool."""

import threading
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from lockscope.lab.zoo.stage import Stage, play


def _both(engine: Engine, turn: threading.Lock, *, at_once: bool) -> None:
    writes, refused = threading.Event(), threading.Event()

    def long_task() -> None:
        with turn, engine.begin() as connection:
            connection.execute(text("INSERT INTO tasks VALUES ('long')"))
            writes.set()
            if at_once:
                refused.wait()

    def short_task() -> None:
        try:
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO tasks VALUES ('short')"))
        finally:
            refused.set()

    def short_in_turn() -> None:
        with turn:
            short_task()

    # What a thread raises would be printed: here it is what the exhibit is about.
    threading.excepthook = lambda _: None
    tasks = [
        threading.Thread(target=long_task),
        threading.Thread(target=short_task if at_once else short_in_turn),
    ]
    tasks[0].start()
    writes.wait()
    tasks[1].start()
    for task in tasks:
        task.join()


def serve(database: Path, how: str) -> Iterator[None]:
    engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": 0.3})
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE tasks(name TEXT)"))
    _both(engine, threading.Lock(), at_once=how == "at once")
    engine.dispose()
    yield


def ill(stage: Stage) -> None:
    stage.actor(serve, "at once").step()


def cured(stage: Stage) -> None:
    stage.actor(serve, "in turn").step()


if __name__ == "__main__":
    play(__file__, ill, cured, (serve,))
