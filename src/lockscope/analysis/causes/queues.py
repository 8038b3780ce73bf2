"""Whom a waiter saw go first: the holds in the way of one wait, as turns of other processes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.interpret.model import Events
from lockscope.locks.modes import LockMode

__all__ = ["Queue", "queue_of"]

_OVERTAKEN: Final = 3
"""Turns of others in one wait: so often the lock was free twice at least, and the waiter asleep."""
_SHORT: Final = 0.5
"""A wait that would have been less than half as long would have been another wait."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The turns of other processes in one wait.

    Attributes:
        waited_ns: How long the wait was.
        turns: How often one of the others took the lock, or had it at the beginning.
        processes: How many others.
        busy_ns: How long the lock was taken meanwhile.
        fair_ns: How long the wait would have been if each of them had had one turn of its usual
            length.
        of_writers: Whether all of them held a lock that lets nobody else write.
    """

    waited_ns: int
    turns: int
    processes: int
    busy_ns: int
    fair_ns: int
    of_writers: bool

    @property
    def busy_share(self) -> float:
        """How much of the wait the lock was taken, 0 to 1."""
        return self.busy_ns / max(self.waited_ns, 1)

    @property
    def is_unfair(self) -> bool:
        """Whether a fair queue would have ended the wait in less than half the time."""
        return (
            self.of_writers and self.turns >= _OVERTAKEN and self.fair_ns < self.waited_ns * _SHORT
        )


def queue_of(holds: Events, places: NDArray[np.integer], began_ns: int, ended_ns: int) -> Queue:
    """The queue before a waiter.

    Args:
        holds: All `HOLD` rows.
        places: Which of them were in its way.
        began_ns: When the wait began.
        ended_ns: When it ended.
    """
    rows = holds.take(np.sort(places))
    spans = [
        (process, max(first, began_ns), min(last, ended_ns))
        for process, first, last in zip(
            *(rows[name].tolist() for name in ("process", "began_ns", "ended_ns")), strict=True
        )
    ]
    turns = _turns(spans)
    lengths: dict[int, list[int]] = {}
    for process, began, ended in turns:
        lengths.setdefault(process, []).append(max(0, ended - began))
    return Queue(
        waited_ns=ended_ns - began_ns,
        turns=len(turns),
        processes=len(lengths),
        busy_ns=_covered(turns),
        fair_ns=sum(sum(of) // len(of) for of in lengths.values()),
        of_writers=set(rows["mode"].tolist()) == {LockMode.EXCLUSIVE},
    )


def _turns(spans: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Spans of one process that touch become one: RESERVED and EXCLUSIVE of one transaction are one
    turn.
    """
    turns: list[tuple[int, int, int]] = []
    for process, began, ended in spans:
        if turns and turns[-1][0] == process and began <= turns[-1][2]:
            turns[-1] = (process, turns[-1][1], max(turns[-1][2], ended))
        else:
            turns.append((process, began, ended))
    return turns


def _covered(spans: list[tuple[int, int, int]]) -> int:
    """How long at least one of some spans lasted."""
    total = until = 0
    for _, began, ended in spans:
        total += max(0, ended - max(began, until))
        until = max(until, ended)
    return total
