"""What a holder did while it held a lock: its statements, its syncs, and the time of neither."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.model import Analysis
from lockscope.interpret.model import Cause, Events, Interpretation, Verdict
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import DATABASE_SLOTS, Slot

__all__ = ["LEFT", "Doings", "HoldStory", "story_of"]

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
    """What one process did, in order of time, so that the part of one hold is found at once.

    Args:
        source: What was recorded.
        process: Its place.
    """

    def __init__(self, source: Interpretation, process: int) -> None:
        self.source = source
        self.process = process
        self._statements: NDArray[np.int64] = np.flatnonzero(
            source.statements["process"] == process
        )
        rows = source.statements[self._statements]
        self._began_ns = rows["began_ns"]
        # A statement may last beyond one that began later, in another thread.
        self._latest_ns = np.maximum.accumulate(rows["ended_ns"])
        self._work = source.work[source.work["process"] == process]
        synced = np.where(self._work["sync"] == 1, self._work["duration_ns"], 0)
        self._synced_ns = np.concatenate([[0], np.cumsum(synced)])
        events = source.events
        asks = (events["process"] == process) & (events["verdict"] != Verdict.RELEASED)
        self._asked_ns = events["began_ns"][asks]

    def statements(self, began: int, ended: int) -> NDArray[np.int64]:
        """Places of the statements that touch a span."""
        last = int(np.searchsorted(self._began_ns, ended, "right"))
        first = int(np.searchsorted(self._latest_ns, began, "left"))
        places = self._statements[first:last]
        touches: NDArray[np.bool_] = self.source.statements["ended_ns"][places] >= began
        found: NDArray[np.int64] = places[touches]
        return found

    def work(self, began: int, ended: int) -> Events:
        """`WORK` rows that began in a span."""
        found: Events = self._work[
            slice(*np.searchsorted(self._work["began_ns"], [began, ended + 1]))
        ]
        return found

    def synced_ns(self, began: int, ended: int) -> int:
        """How long the syncs took that began in a span."""
        first, last = np.searchsorted(self._work["began_ns"], [began, ended + 1])
        return int(self._synced_ns[last] - self._synced_ns[first])

    def last_request_ns(self, began: int, ended: int) -> int:
        """When it last asked for a lock in a span; its beginning where it did not."""
        at = int(np.searchsorted(self._asked_ns, ended, "left")) - 1
        return max(began, int(self._asked_ns[at]) if at >= 0 else 0)


def story_of(analysis: Analysis, hold: int, doings: Doings) -> HoldStory:
    """What a holder did during a hold.

    Args:
        analysis: The analysed trace.
        hold: Place of the hold.
        doings: Of its process.
    """
    row, source = analysis.holds[hold], analysis.source
    began, ended, asked = (int(row[name]) for name in ("began_ns", "ended_ns", "requested_ns"))
    statements = doings.statements(asked, ended)
    work = doings.work(asked, ended)
    syncs = work[work["sync"] == 1]
    written = int(work["bytes"][work["sync"] == 0].sum())
    rows = source.statements[statements]
    before = rows["ended_ns"] < ended
    ending_ns = min([ended - _RELEASE_NS, *rows["began_ns"][~before].tolist()])
    return HoldStory(
        hold=hold,
        process=doings.process,
        began_ns=began,
        ended_ns=ended,
        ended_by=Cause(int(row["cause"])),
        statements=tuple(statements.tolist()),
        ending=_ending(source, rows[~before]),
        in_statements_ns=_union(rows, began, ended),
        sync_ns=int(syncs["duration_ns"].sum()),
        syncs=len(syncs),
        written_bytes=written,
        committed=_committed(analysis, hold, written),
        last_active_ns=max(
            [*rows["ended_ns"][before].tolist(), doings.last_request_ns(began, ending_ns)]
        ),
    )


def _ending(source: Interpretation, running: Events) -> str:
    """The SQL of what was running when a hold ended, in capitals."""
    contexts = [source.contexts[int(row["context"])].statement for row in running]
    return next((statement.upper() for statement in contexts if statement), "")


def _committed(analysis: Analysis, hold: int, written: int) -> bool:
    row, holds = analysis.holds[hold], analysis.holds
    resource = analysis.source.resources[int(row["resource"])]
    if resource.slot not in DATABASE_SLOTS:
        return written > 0
    exclusive = [
        place
        for place, other in enumerate(analysis.source.resources)
        if other.database == resource.database and other.slot == Slot.SHARED
    ]
    within = holds[slice(*np.searchsorted(holds["began_ns"], [row["began_ns"], row["ended_ns"]]))]
    return bool(
        np.any(
            (within["process"] == row["process"])
            & np.isin(within["resource"], exclusive)
            & (within["mode"] == LockMode.EXCLUSIVE)
        )
    )


def _union(rows: Events, began: int, ended: int) -> int:
    """How long at least one of some spans lasted between two moments."""
    total, until = 0, began
    for one in rows[np.argsort(rows["began_ns"], kind="stable")]:
        first = max(int(one["began_ns"]), until)
        last = min(int(one["ended_ns"]), ended)
        total += max(0, last - first)
        until = max(until, last)
    return total
