"""C24: in one thread a write waits for a transaction that only that thread could end."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE messages(text TEXT)")
    connection.commit()
    connection.close()
    yield


async def _send(database: Path, text: str, turn: asyncio.Lock | None) -> None:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    if turn is not None:
        await turn.acquire()
    with suppress(sqlite3.OperationalError):
        connection.execute("BEGIN IMMEDIATE")  # blocks the whole event loop while it waits
        connection.execute("INSERT INTO messages VALUES (?)", (text,))
        await asyncio.sleep(0)  # to the other task, with the transaction open
        connection.execute("COMMIT")
    if turn is not None:
        turn.release()
    connection.close()


async def _send_both(database: Path, turn: asyncio.Lock | None) -> None:
    await asyncio.gather(_send(database, "one", turn), _send(database, "two", turn))


def serve(database: Path, how: str) -> Iterator[None]:
    asyncio.run(_send_both(database, asyncio.Lock() if how == "in turn" else None))
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(serve, "at once").step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(serve, "in turn").step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, serve))
