"""C32: locks are switched off (nolock=1) to be rid of an error, and with them mutual exclusion."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE stock(item TEXT, pieces INTEGER)")
    connection.execute("INSERT INTO stock VALUES ('chair', 10)")
    connection.commit()
    connection.close()
    yield


def sell(database: Path, words: str) -> Iterator[None]:
    connection = sqlite3.connect(
        f"file:{database}{words}", uri=True, isolation_level=None, timeout=10
    )
    connection.execute("BEGIN IMMEDIATE")
    [(pieces,)] = connection.execute("SELECT pieces FROM stock")
    yield  # both have read 10 now, if nothing keeps them apart
    connection.execute("UPDATE stock SET pieces = ?", (pieces - 1,))
    connection.execute("COMMIT")
    connection.close()
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    one, other = stage.actor(sell, "?nolock=1"), stage.actor(sell, "?nolock=1")
    one.step()
    other.step()
    one.step()
    other.step()  # one sale is lost, and nobody was told


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    one, other = stage.actor(sell, ""), stage.actor(sell, "")
    one.step()
    one.step()
    other.step()
    other.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, sell))
