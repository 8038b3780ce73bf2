"""Run experiments as a person does: `lockscope run`, in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["OWN", "Run", "finish", "lockscope_run", "start"]

OWN: Final = """
import os
import sqlite3
from pathlib import Path

from lockscope.lab import Row


class Items:
    def setup(self, connection, plan):
        connection.execute("DROP TABLE IF EXISTS items")
        connection.execute("CREATE TABLE items(key TEXT)")

    def work(self, turn):
        turn.connection.execute("INSERT INTO items VALUES (?)", (turn.key,))
        self.inside(turn)
        turn.task()

    def inside(self, turn):
        pass

    def check(self, connection):
        keys = connection.execute("SELECT key FROM items ORDER BY rowid")
        return [Row(key, {"key": key}) for (key,) in keys]


class Held(Items):
    # P2 says its pid while it holds the lock, and goes on only when it is told so. The others begin
    # only when somebody has opened "others" for writing.
    def work(self, turn):
        if turn.worker != 2 and turn.number == 1:
            os.close(os.open("others", os.O_RDONLY))
        super().work(turn)

    def inside(self, turn):
        if (turn.worker, turn.number) == (2, 1):
            Path("holding").write_text(str(os.getpid()))
            Path("go-on").read_text()


class Raises(Items):
    def inside(self, turn):
        if (turn.worker, turn.number) == (2, 1):
            raise ValueError("no such luck")


class Leaves(Items):
    def inside(self, turn):
        if (turn.worker, turn.number) == (2, 1):
            raise SystemExit(7)


class Liar(Items):
    # P1 rolls back what is then acknowledged; P2 writes everything twice; P3 a stranger's row.
    def inside(self, turn):
        if turn.worker == 1:
            turn.connection.rollback()
        if turn.worker == 2:
            turn.connection.execute("INSERT INTO items VALUES (?)", (turn.key,))
        if turn.worker == 3:
            turn.connection.execute("INSERT INTO items VALUES ('stranger')")


class CommitsThenRaises(Items):
    def inside(self, turn):
        if (turn.worker, turn.number) == (1, 1):
            turn.connection.commit()
            raise RuntimeError("too late")


class DiskFull(Items):
    # From here on no file of this worker may grow: COMMIT fails when it writes.
    def inside(self, turn):
        if (turn.worker, turn.number) == (1, 2):
            import resource
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


class Dice(Items):
    def key(self, worker, number):
        return f"{worker}/{number}"

    def work(self, turn):
        turn.connection.execute("INSERT INTO items VALUES (?)", (turn.key,))
        print(turn.key, turn.random.randrange(10**9))


class SlowSetup(Items):
    def setup(self, connection, plan):
        Path("holding").write_text("0")
        Path("go-on").read_text()


class SlowCheck(Held):
    def check(self, connection):
        Path("checking").write_text("0")
        Path("go-on").read_text()
        return []


class BadSetup(Items):
    def setup(self, connection, plan):
        connection.execute("CREATE TABEL items(key)")


class BadCheck(Items):
    def check(self, connection):
        return [("a tuple",)]


class BadKey(Items):
    def key(self, worker, number):
        return "the same"


class Half:
    def setup(self, connection, plan):
        pass


NOT_A_CLASS = 3
"""


@dataclass(frozen=True)
class Run:
    """How a run ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.stdout)


def start(folder: Path, words: Sequence[str]) -> "subprocess.Popen[str]":
    """Start `lockscope run` with a folder of its own, in which `own.py` lies."""
    (folder / "own.py").write_text(OWN)
    return subprocess.Popen(
        [sys.executable, "-m", "lockscope", "run", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
    )


def finish(process: "subprocess.Popen[str]") -> Run:
    """Wait for its end."""
    stdout, stderr = process.communicate(timeout=100)
    return Run(process.returncode, stdout, stderr)


def lockscope_run(folder: Path, *words: str) -> Run:
    """Start it and wait for its end."""
    return finish(start(folder, words))
