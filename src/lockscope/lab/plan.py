"""The plan of an experiment: what is run, by how many, under which remedy."""

from dataclasses import dataclass
from typing import Final

from lockscope.remedies import Remedy

__all__ = ["Plan", "default_patience_s"]

_PATIENCE_S: Final = 10.0
"""What a worker may be silent beyond the longest time that its own steps can take, in seconds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment does.

    Attributes:
        workload: Name of the workload, or `package.module:Class`.
        processes: Workers.
        records: Transactions of each worker, one record each.
        hold_s: How long the slow part of a transaction takes, in seconds.
        think_s: Pause before each transaction, outside it, in seconds.
        remedy: How the database is shared.
        database: Path of the database.
        timeout_s: Busy timeout that the remedy was given, in seconds.
        seed: Of the workers' random numbers.
        patience_s: How long a worker may say nothing before it is killed, in seconds.
    """

    workload: str
    processes: int
    records: int
    hold_s: float
    think_s: float
    remedy: Remedy
    database: str
    timeout_s: float
    seed: int
    patience_s: float


def default_patience_s(hold_s: float, think_s: float, timeout_s: float) -> float:
    """10 s + hold + think + 2 x timeout: SQLite may wait at the first write and again at COMMIT."""
    return _PATIENCE_S + hold_s + think_s + 2 * timeout_s
