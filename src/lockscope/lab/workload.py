"""A workload: what each worker does, and what must be in the database afterwards."""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from lockscope.lab.plan import Plan

if TYPE_CHECKING:
    from random import Random

__all__ = ["Row", "Turn", "Workload", "key_of"]


@dataclass(frozen=True, slots=True)
class Row:
    """A row that the audit found.

    Attributes:
        key: The key of the record that it is.
        values: Its columns, for people.
    """

    key: str
    values: Mapping[str, object] = field(default_factory=dict)


class Turn:
    """One transaction of one worker, as its workload sees it.

    Attributes:
        worker: Number of the worker (1, 2, ...).
        number: Number of the transaction in this worker (1, 2, ...).
        key: The key of the record that shall be written.
        connection: The open connection; only while `work` runs.
    """

    def __init__(
        self, plan: Plan, worker: int, number: int, key: str, *, holding: Callable[[], None]
    ) -> None:
        self.worker = worker
        self.number = number
        self.key = key
        self.connection: sqlite3.Connection
        self._plan = plan
        self._holding = holding
        self._task_done = False

    @property
    def random(self) -> "Random":
        """Random numbers that depend on the seed, the worker and the transaction alone."""
        # Imported here: most workloads never ask, and it would cost each worker 3 ms of its start.
        from random import Random  # noqa: PLC0415

        return Random(f"{self._plan.seed}/{self.worker}/{self.number}")

    def task(self) -> None:
        """The slow part: sleeps for the hold, unless the remedy has done it before."""
        if self._task_done:
            return
        if self.connection.in_transaction:
            self._holding()
        time.sleep(self._plan.hold_s)

    def task_first(self) -> None:
        """Do the slow part now, before the transaction; `task` then does nothing."""
        time.sleep(self._plan.hold_s)
        self._task_done = True


class Workload(Protocol):
    """What each worker does. A class with these three methods, made without arguments.

    It may also have `key(worker, number) -> str`, the key of the record of each transaction;
    without it the keys are `P1-1`, `P1-2`, ...
    """

    def setup(self, connection: sqlite3.Connection, plan: Plan) -> None:
        """Make the tables, where an earlier experiment may have left its own."""

    def work(self, turn: Turn) -> None:
        """Do one transaction: write the record `turn.key`, without beginning or committing."""

    def check(self, connection: sqlite3.Connection) -> Sequence[Row]:
        """Read what is there, in the table's order."""


def key_of(workload: Workload, worker: int, number: int) -> str:
    """The key of the record that a worker's transaction writes."""
    key = getattr(workload, "key", None)
    return f"P{worker}-{number}" if key is None else str(key(worker, number))
