"""What the rules look up in an analysed trace, each thing made once."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.causes.queues import Queue, queue_of
from lockscope.analysis.causes.stories import Doings, HoldStory
from lockscope.analysis.index import HoldIndex
from lockscope.analysis.model import Analysis
from lockscope.interpret.model import Events
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot
from lockscope.trace.rows import stable_order

__all__ = ["Lookups"]


class Lookups:
    """Holds, statements and sleeps, found by their places.

    Args:
        analysis: The analysed trace.
    """

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self._stories: dict[int, HoldStory] = {}
        self._queues: dict[int, Queue] = {}
        self._locks: dict[int, tuple[Slot, LockMode]] = {}
        self._statements: dict[int, str] = {}

    @cached_property
    def index(self) -> HoldIndex:
        """Finds holds by their process, resource and moment."""
        return HoldIndex(self.analysis.holds)

    @cached_property
    def doings(self) -> Doings:
        """What each process did."""
        return Doings(self.analysis)

    def story(self, hold: int) -> HoldStory:
        """What the holder did during a hold."""
        if hold not in self._stories:
            self._stories[hold] = self.doings.story(hold)
        return self._stories[hold]

    def lock(self, hold: int) -> tuple[Slot, LockMode]:
        """The lock of a hold."""
        if hold not in self._locks:
            row = self.analysis.holds[hold]
            resource = self.analysis.source.resources[int(row["resource"])]
            self._locks[hold] = (Slot(resource.slot), LockMode(int(row["mode"])))
        return self._locks[hold]

    def statement(self, context: int) -> str:
        """The SQL of a context, in capitals and single spaces; empty where unknown."""
        if context not in self._statements:
            sql = self.analysis.source.contexts[context].statement
            self._statements[context] = " ".join(sql.upper().split())
        return self._statements[context]

    def queue(self, wait: int) -> Queue:
        """Whom a waiter saw go first."""
        if wait not in self._queues:
            row = self.analysis.waits[wait]
            span = int(row["began_ns"]), int(row["ended_ns"])
            self._queues[wait] = queue_of(self.analysis.holds, self.in_the_way(wait), *span)
        return self._queues[wait]

    def in_the_way(self, wait: int) -> NDArray[np.int64]:
        """Places of the holds that were in the way of a wait, for any time."""
        rows = self.analysis.blocks_of(wait)
        return rows["hold"][rows["overlap_ns"] > 0].astype(np.int64)

    def first_sleep_ns(self, wait: int) -> int:
        """How long a waiter asked to sleep after it was first denied; 0 where it did not sleep."""
        return int(self._first_sleeps_ns[wait])

    @cached_property
    def _first_sleeps_ns(self) -> NDArray[np.uint64]:
        waits, pauses = self.analysis.waits, self.analysis.source.pauses
        found = np.zeros(len(waits), np.uint64)
        order = stable_order(_thread(pauses))
        by_thread, own = _thread(pauses)[order], _thread(waits)
        for key in np.unique(own):
            of = order[slice(*np.searchsorted(by_thread, [key, key + np.uint64(1)]))]
            at = np.flatnonzero(own == key)
            began_ns = pauses["began_ns"][of]
            first = np.searchsorted(began_ns, waits["began_ns"][at], "left")
            at, first = at[first < len(of)], first[first < len(of)]
            within = began_ns[first] <= waits["ended_ns"][at]
            found[at[within]] = pauses["asked_ns"][of[first[within]]]
        return found

    def granted(self, statement: str) -> tuple[int, ...]:
        """Places of the holds of a write lock that a statement was granted, wherever it ran."""
        return self._granted.get(statement, ())

    @cached_property
    def _granted(self) -> dict[str, tuple[int, ...]]:
        holds = self.analysis.holds
        slots = np.array([resource.slot for resource in self.analysis.source.resources], np.int64)
        taken = np.flatnonzero(
            (holds["mode"] == LockMode.EXCLUSIVE)
            & np.isin(slots, (Slot.RESERVED, Slot.WAL_WRITE))[holds["resource"]]
            & (holds["context"] > 0)
        )
        found: dict[str, list[int]] = {}
        for place, context in zip(taken.tolist(), holds["context"][taken].tolist(), strict=True):
            found.setdefault(self.statement(context), []).append(place)
        return {statement: tuple(places) for statement, places in found.items()}


def _thread(rows: Events) -> NDArray[np.uint64]:
    thread: NDArray[np.uint64] = rows["process"].astype(np.uint64) << np.uint64(32) | rows["thread"]
    return thread
