"""C05: one engine begins every transaction with BEGIN IMMEDIATE, also that of a report."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, create_engine, event, text

from lockscope.lab.zoo.stage import Stage, play


def _engine(database: Path, begin: str, timeout: float = 5) -> Engine:
    given = {"timeout": timeout, "isolation_level": None}
    engine = create_engine(f"sqlite:///{database}", connect_args=given)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def create(database: Path) -> Iterator[None]:
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
        connection.execute(text("CREATE TABLE sales(amount INTEGER)"))
        connection.execute(text("INSERT INTO sales VALUES (3), (4)"))
    engine.dispose()
    yield


def report(database: Path, begin: str) -> Iterator[None]:
    with _engine(database, begin).connect() as connection:
        connection.execute(text("SELECT sum(amount) FROM sales")).all()
        yield  # the report is written, page by page
        connection.execute(text("SELECT count(*) FROM sales")).all()


def sell(database: Path) -> Iterator[None]:
    with _engine(database, "BEGIN IMMEDIATE", timeout=0.3).begin() as connection:
        connection.execute(text("INSERT INTO sales VALUES (5)"))
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
    _played(stage, "BEGIN")  # an engine of its own for reading


if __name__ == "__main__":
    play(__file__, ill, cured, (create, report, sell))
