"""C22: somebody looks around in the sqlite3 shell, in a transaction that stays open."""

import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lockscope.lab.zoo.stage import Stage, play


def create(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE customers(name TEXT)")
    connection.execute("INSERT INTO customers VALUES ('Ada')")
    connection.commit()
    connection.close()
    yield


def shell(database: Path, *statements: str) -> Iterator[None]:
    with subprocess.Popen(
        ["sqlite3", str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n".join([*statements, "SELECT 'ready';", ""]))
        process.stdin.flush()
        while process.stdout.readline() not in ("ready\n", ""):
            pass
        yield
        process.stdin.close()


def write(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=0.3)
    connection.execute("INSERT INTO customers VALUES ('Grace')")
    connection.close()
    yield


def _played(stage: Stage, *statements: str) -> None:
    stage.actor(create).step()
    looking = stage.actor(shell, *statements)
    looking.step()
    stage.actor(write).step()
    looking.step()


def ill(stage: Stage) -> None:
    _played(stage, "BEGIN IMMEDIATE;", "UPDATE customers SET name = 'Ada L.';")


def cured(stage: Stage) -> None:
    _played(stage, "UPDATE customers SET name = 'Ada L.';")


if __name__ == "__main__":
    play(__file__, ill, cured, (create, shell, write))
