"""C12: two transactions of SQLAlchemy, begun as its manual tells, read and want to write."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, create_engine, event, text

from lockscope.lab.zoo.stage import Stage, play


def _engine(database: Path, begin: str = "BEGIN") -> Engine:
    given = {"timeout": 60, "isolation_level": None}
    engine = create_engine(f"sqlite:///{database}", connect_args=given)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def create(database: Path) -> Iterator[None]:
    engine = _engine(database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance INTEGER)"))
        connection.execute(text("INSERT INTO accounts VALUES (1, 100)"))
    engine.dispose()
    yield


def deposit(database: Path, begin: str) -> Iterator[None]:
    engine = _engine(database, begin)
    with engine.begin() as connection:
        balance = connection.scalar(text("SELECT balance FROM accounts WHERE id = 1"))
        yield
        raised = {"balance": balance + 10}
        connection.execute(text("UPDATE accounts SET balance = :balance WHERE id = 1"), raised)
        yield
    engine.dispose()


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    first, second = stage.actor(deposit, "BEGIN"), stage.actor(deposit, "BEGIN")
    first.step()
    second.step()
    first.step()
    second.step()  # refused
    first.step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    first = stage.actor(deposit, "BEGIN IMMEDIATE")
    second = stage.actor(deposit, "BEGIN IMMEDIATE")
    first.step()
    second.begin()  # waits at its BEGIN
    first.step()
    first.step()
    second.outcome()
    second.step()
    second.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, deposit))
