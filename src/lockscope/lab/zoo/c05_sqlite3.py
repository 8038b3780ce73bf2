"""C05: a report begins to write although it only reads; who really writes times out."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE sales(amount INTEGER)")
    connection.execute("INSERT INTO sales VALUES (3), (4)")
    connection.commit()
    connection.close()
    yield


def report(database: Path, begin: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute(begin)
    connection.execute("SELECT sum(amount) FROM sales").fetchall()
    yield  # the report is written, page by page
    connection.execute("SELECT count(*) FROM sales").fetchall()
    connection.execute("COMMIT")
    connection.close()


def sell(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    connection.execute("INSERT INTO sales VALUES (5)")
    connection.close()
    yield


def _played(stage: Stage, begin: str) -> None:
    stage.actor(create).step()
    reporter, seller = stage.actor(report, begin), stage.actor(sell)
    reporter.step()
    seller.step()
    reporter.step()


def ill(stage: Stage) -> None:
    _played(stage, "BEGIN IMMEDIATE")


def cured(stage: Stage) -> None:
    _played(stage, "BEGIN")


if __name__ == "__main__":
    play(__file__, ill, cured, (create, report, sell))
