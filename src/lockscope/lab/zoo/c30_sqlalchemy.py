"""C30: an engine's pool hands a connection of the parent to a forked worker."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from lockscope.lab.zoo.stage import Stage, play


def serve(database: Path, how: str) -> Iterator[None]:
    engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": 0.3})
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE visits(page TEXT)"))
    child = os.fork()  # the pool keeps a connection, and the child has it too
    if not child:
        if how == "new pool":
            engine.dispose(close=False)
        with suppress(OperationalError), engine.begin() as connection:
            connection.execute(text("INSERT INTO visits VALUES ('one')"))
        os._exit(0)
    os.waitpid(child, 0)
    engine.dispose()
    yield


def ill(stage: Stage) -> None:
    stage.actor(serve, "same pool").step()


def cured(stage: Stage) -> None:
    stage.actor(serve, "new pool").step()


if __name__ == "__main__":
    play(__file__, ill, cured, (serve,))
