"""What a holder did while it held a lock: its statements, its syncs, and the time of neither."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.model import Analysis
from lockscope.interpret.model import Cause, Events, Verdict
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import DATABASE_SLOTS, Slot
from lockscope.trace.rows import runs, stable_order

__all__ = ["LEFT", "Doings", "HoldStory", "union_ns"]

LEFT: Final = (Cause.EXIT, Cause.KILLED, Cause.EXEC, Cause.TRACE_ENDED)
"""Ends of a hold that are no act of the program's on its transaction."""
_RELEASE_NS: Final = 1_000_000
"""Giving up a lock takes several calls, microseconds apart (`pager.c`, pagerUnlockDb): they end a
hold, and are no use that is made of it."""


@dataclass(frozen=True, slots=True)
class HoldStory:
    """One hold, and what its process did meanwhile.

    Attributes:
        hold: Place of the hold.
        process: Place of its process.
        began_ns: When it surely began.
        ended_ns: When it surely still lasted.
        ended_by: What ended it.
        statements: Places of the process's statements that touch it, in order of time.
        contexts: What they are, and what took the lock, each once.
        ending: What ended it, as the SQL of the statement that was running then; empty where none
            was, or it is not known.
        in_statements_ns: How long one of them ran.
        sync_ns: How long its files were synced to disk.
        syncs: How often.
        written_bytes: What was written to the database's files.
        committed: Whether it came to a commit: pages were written, in a rollback mode under
            EXCLUSIVE.
        last_active_ns: When the process last did anything with the database in it, before what
            ended it.
    """

    hold: int
    process: int
    began_ns: int
    ended_ns: int
    ended_by: Cause
    statements: tuple[int, ...]
    contexts: frozenset[int]
    ending: str
    in_statements_ns: int
    sync_ns: int
    syncs: int
    written_bytes: int
    committed: bool
    last_active_ns: int

    @property
    def length_ns(self) -> int:
        """How long it lasted."""
        return self.ended_ns - self.began_ns

    @property
    def idle_tail_ns(self) -> int:
        """How long the process had done nothing with the database when the hold ended."""
        return self.ended_ns - self.last_active_ns

    def acts_after(self, at_ns: int) -> bool:
        """Whether the process did anything with the database between a moment and the end."""
        return self.last_active_ns > at_ns


class Doings:
    """What each process did, in order of time, so that the part of one hold is found at once.

    Args:
        analysis: The analysed trace.
    """

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        source = analysis.source
        self._statements = _ByProcess(source.statements, "ended_ns")
        self._work = _ByProcess(source.work, "duration_ns")
        self._pauses = _ByProcess(source.pauses, "ended_ns")
        asks = source.events["verdict"] != Verdict.RELEASED
        self._asks = _ByProcess(source.events.take(np.flatnonzero(asks)), "ended_ns")
        self._exclusives = _ByProcess(analysis.holds.take(_exclusive(analysis)), "ended_ns")
        self._syncing = frozenset(source.work["process"][source.work["sync"] == 1].tolist())
        self._synced_ns: dict[int, NDArray[np.uint64]] = {}

    def story(self, hold: int) -> HoldStory:
        """What a holder did during a hold."""
        row, source = self._analysis.holds[hold], self._analysis.source
        process, began, ended, asked = (
            int(row[name]) for name in ("process", "began_ns", "ended_ns", "requested_ns")
        )
        places = self._statements.touching(process, asked, ended)
        rows = source.statements.take(places)
        spans = list(zip(rows["began_ns"].tolist(), rows["ended_ns"].tolist(), strict=True))
        contexts = rows["context"].tolist()
        written, synced = self._worked(process, asked, ended)
        ending_ns = min([ended - _RELEASE_NS, *(first for first, last in spans if last >= ended)])
        return HoldStory(
            hold=hold,
            process=process,
            began_ns=began,
            ended_ns=ended,
            ended_by=Cause(int(row["cause"])),
            statements=tuple(places.tolist()),
            contexts=frozenset([*contexts, int(row["context"])]),
            ending=self._ending(
                [context for context, span in zip(contexts, spans, strict=True) if span[1] >= ended]
            ),
            in_statements_ns=union_ns(spans, began, ended),
            sync_ns=sum(synced),
            syncs=len(synced),
            written_bytes=written,
            committed=self._committed(row, written),
            last_active_ns=max(
                [
                    began,
                    self._asks.last_before(process, ending_ns),
                    *(last for _, last in spans if last < ended),
                ]
            ),
        )

    def pauses(self, process: int, began: int, ended: int) -> Events:
        """The sleeps of a process that touch a span."""
        return self._analysis.source.pauses.take(self._pauses.touching(process, began, ended))

    def statements(self, process: int, began: int, ended: int) -> NDArray[np.int64]:
        """The places of a process's statements that touch a span."""
        return self._statements.touching(process, began, ended)

    def _worked(self, process: int, began: int, ended: int) -> tuple[int, list[int]]:
        """The bytes that a process wrote in a span, and how long each of its syncs took."""
        rows = self._analysis.source.work.take(self._work.beginning(process, began, ended))
        if not len(rows):
            return 0, []
        is_sync = rows["sync"] == 1
        return int(rows["bytes"][~is_sync].sum()), rows["duration_ns"][is_sync].tolist()

    def synced_ns(self, hold: int) -> int:
        """How long the syncs took that began during a hold."""
        row = self._analysis.holds[hold]
        process = int(row["process"])
        if process not in self._syncing:
            return 0
        if process not in self._synced_ns:
            work = self._analysis.source.work.take(self._work.all(process))
            synced = np.where(work["sync"] == 1, work["duration_ns"], np.uint64(0))
            self._synced_ns[process] = np.concatenate([np.zeros(1, np.uint64), np.cumsum(synced)])
        first, last = self._work.bounds(process, int(row["requested_ns"]), int(row["ended_ns"]))
        return int(self._synced_ns[process][last] - self._synced_ns[process][first])

    def _ending(self, contexts: list[int]) -> str:
        """The SQL of what was running when a hold ended, in capitals."""
        statements = (self._analysis.source.contexts[context].statement for context in contexts)
        return next((statement.upper() for statement in statements if statement), "")

    def _committed(self, row: np.void, written: int) -> bool:
        resource = self._analysis.source.resources[int(row["resource"])]
        if resource.slot not in DATABASE_SLOTS:
            return written > 0
        shared = int(row["resource"]) - resource.slot + Slot.SHARED
        span = (int(row["began_ns"]), int(row["ended_ns"]) - 1)
        exclusives = self._exclusives.beginning(int(row["process"]), *span)
        return bool((self._exclusives.rows["resource"][exclusives] == shared).any())


def _exclusive(analysis: Analysis) -> NDArray[np.int64]:
    """Places of the holds of EXCLUSIVE."""
    slots = np.array([resource.slot for resource in analysis.source.resources], np.int64)
    exclusive = analysis.holds["mode"] == LockMode.EXCLUSIVE
    exclusive &= slots[analysis.holds["resource"]] == Slot.SHARED
    return np.flatnonzero(exclusive)


class _ByProcess:
    """Rows by process, those of one process by time.

    Columns are copied once: to search a field of many rows would copy it at each search.
    """

    def __init__(self, rows: Events, end: str) -> None:
        self.rows = rows
        self._order = stable_order(rows["process"])
        process = rows["process"][self._order]
        bounds = runs(process)
        self._parts = dict(
            zip(process[bounds[:-1]].tolist(), pairwise(bounds.tolist()), strict=True)
        )
        self._began_ns = rows["began_ns"][self._order]
        # One may last beyond another that began later, in another thread.
        self._ended_ns = rows[end][self._order]
        self._latest_ns = self._ended_ns.copy()
        for first, last in self._parts.values():
            part = slice(first, last)
            self._latest_ns[part] = np.maximum.accumulate(self._ended_ns[part])

    def all(self, process: int) -> NDArray[np.int64]:
        """The places of all rows of a process."""
        first, last = self._parts.get(process, (0, 0))
        return self._order[first:last]

    def touching(self, process: int, began: int, ended: int) -> NDArray[np.int64]:
        """The places of the rows that touch a span."""
        first, last = self._parts.get(process, (0, 0))
        low = first + int(self._latest_ns[first:last].searchsorted(np.uint64(began), "left"))
        high = first + int(self._began_ns[first:last].searchsorted(np.uint64(ended), "right"))
        return self._order[low:high][self._ended_ns[low:high] >= np.uint64(began)]

    def beginning(self, process: int, began: int, ended: int) -> NDArray[np.int64]:
        """The places of the rows that begin in a span."""
        low, high = self.bounds(process, began, ended)
        first, _ = self._parts.get(process, (0, 0))
        return self._order[first + low : first + high]

    def bounds(self, process: int, began: int, ended: int) -> tuple[int, int]:
        """Of a process's rows, the first that begins in a span, and the first after it."""
        part = self._began_ns[slice(*self._parts.get(process, (0, 0)))]
        low = int(part.searchsorted(np.uint64(began), "left"))
        return low, max(low, int(part.searchsorted(np.uint64(max(ended, 0)), "right")))

    def last_before(self, process: int, moment: int) -> int:
        """When the last row before a moment began; 0 for none."""
        part = self._began_ns[slice(*self._parts.get(process, (0, 0)))]
        at = int(part.searchsorted(np.uint64(max(moment, 0)), "left"))
        return int(part[at - 1]) if at else 0


def union_ns(spans: list[tuple[int, int]], began: int, ended: int) -> int:
    """How long at least one of some spans lasted between two moments."""
    total, until = 0, began
    for first, last in sorted(spans):
        total += max(0, min(last, ended) - max(first, until))
        until = max(until, min(last, ended))
    return total
