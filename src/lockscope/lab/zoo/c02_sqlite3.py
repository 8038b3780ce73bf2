"""C02: a transaction does slow work between its first write and its commit; others time out."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE orders(item TEXT)")
    connection.commit()
    connection.close()
    yield


def order_then_work(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO orders VALUES ('lamp')")
    yield  # a payment, a mail, a file: whatever takes long
    connection.execute("UPDATE orders SET item = 'lamp, paid'")
    connection.execute("COMMIT")
    connection.close()


def work_then_order(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None)
    yield
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO orders VALUES ('lamp, paid')")
    connection.execute("COMMIT")
    connection.close()


def other(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    connection.execute("INSERT INTO orders VALUES ('chair')")
    connection.close()
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    slow = stage.actor(order_then_work)
    slow.step()
    stage.actor(other).step()  # times out while the slow part goes on
    slow.step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    slow = stage.actor(work_then_order)
    slow.step()
    stage.actor(other).step()
    slow.step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, order_then_work, work_then_order, other))
