"""C23: two threads of one program write on connections of their own, and one waits in vain."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE tasks(name TEXT)")
    connection.commit()
    connection.close()
    yield


def serve(database: Path, how: str) -> Iterator[None]:
    turn = threading.Lock()
    writes, refused = threading.Event(), threading.Event()

    def long_task() -> None:
        connection = sqlite3.connect(database, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO tasks VALUES ('long')")
        writes.set()
        if how == "a connection each":
            refused.wait()
        connection.execute("UPDATE tasks SET name = 'long, done'")
        connection.execute("COMMIT")
        connection.close()

    def short_task() -> None:
        connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
        try:
            connection.execute("INSERT INTO tasks VALUES ('short')")
        finally:
            refused.set()
            connection.close()

    def queued(task: threading.Thread) -> None:
        with turn:
            task.start()
            task.join()

    # What a thread raises would be printed: here it is what the exhibit is about.
    threading.excepthook = lambda _: None
    tasks = [threading.Thread(target=long_task), threading.Thread(target=short_task)]
    if how == "one after the other":
        for task in tasks:
            queued(task)
    else:
        tasks[0].start()
        writes.wait()
        tasks[1].start()
        for task in tasks:
            task.join()
    yield


def ill(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(serve, "a connection each").step()


def cured(stage: Stage) -> None:
    stage.actor(create).step()
    stage.actor(serve, "one after the other").step()


if __name__ == "__main__":
    play(__file__, ill, cured, (create, serve))
