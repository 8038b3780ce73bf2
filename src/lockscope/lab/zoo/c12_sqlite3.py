"""C12: two transactions have read, and both want to write.

Waiting would be a deadlock, so SQLite refuses the second at once, whatever its timeout.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance INTEGER)")
    connection.execute("INSERT INTO accounts VALUES (1, 100)")
    connection.commit()
    connection.close()
    yield


def deposit(database: Path, begin: str) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute(begin)
    [[balance]] = connection.execute("SELECT balance FROM accounts WHERE id = 1").fetchall()
    yield
    try:
        connection.execute("UPDATE accounts SET balance = ? WHERE id = 1", (balance + 10,))
    except sqlite3.OperationalError:
        connection.execute("ROLLBACK")
        raise
    yield
    connection.execute("COMMIT")
    connection.close()


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
