"""What a holder did while it held a lock: its statements, its syncs, and the time of neither."""

from dataclasses import dataclass

import numpy as np

from lockscope.analysis.model import Analysis
from lockscope.interpret.model import Cause, Events

__all__ = ["HoldStory", "story_of"]


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
        in_statements_ns: How long one of them ran.
        sync_ns: How long its files were synced to disk.
        syncs: How often.
        written_bytes: What was written to the database's files.
        last_active_ns: The end of the last thing that the process did with the database in it.
    """

    hold: int
    process: int
    began_ns: int
    ended_ns: int
    ended_by: Cause
    statements: tuple[int, ...]
    in_statements_ns: int
    sync_ns: int
    syncs: int
    written_bytes: int
    last_active_ns: int

    @property
    def length_ns(self) -> int:
        """How long it lasted."""
        return self.ended_ns - self.began_ns

    @property
    def idle_tail_ns(self) -> int:
        """How long the process had done nothing with the database when the hold ended."""
        return self.ended_ns - self.last_active_ns


def story_of(analysis: Analysis, hold: int) -> HoldStory:
    """What a holder did during a hold."""
    row, source = analysis.holds[hold], analysis.source
    process, began, ended = int(row["process"]), int(row["began_ns"]), int(row["ended_ns"])
    asked = int(row["requested_ns"])
    statements = _touching(source.statements, process, asked, ended, "ended_ns")
    work = source.work[source.work["process"] == process]
    work = work[(work["began_ns"] >= asked) & (work["began_ns"] <= ended)]
    syncs = work[work["sync"] == 1]
    events = source.events
    mine = events[(events["process"] == process) & (events["ended_ns"] <= ended)]
    mine = mine[mine["ended_ns"] >= asked]
    rows = source.statements[statements]
    moments = [began, *_clipped(rows["ended_ns"], ended), *_clipped(mine["ended_ns"], ended)]
    moments += _clipped(syncs["began_ns"] + syncs["duration_ns"], ended)
    return HoldStory(
        hold=hold,
        process=process,
        began_ns=began,
        ended_ns=ended,
        ended_by=Cause(int(row["cause"])),
        statements=tuple(statements.tolist()),
        in_statements_ns=_union(rows, began, ended),
        sync_ns=int(syncs["duration_ns"].sum()),
        syncs=len(syncs),
        written_bytes=int(work["bytes"][work["sync"] == 0].sum()),
        last_active_ns=max(moments),
    )


def _touching(rows: Events, process: int, began: int, ended: int, end: str) -> Events:
    return np.flatnonzero(
        (rows["process"] == process) & (rows["began_ns"] <= ended) & (rows[end] >= began)
    )


def _clipped(moments: Events, most: int) -> list[int]:
    return [min(int(moment), most) for moment in moments]


def _union(rows: Events, began: int, ended: int) -> int:
    """How long at least one of some spans lasted between two moments."""
    total, until = 0, began
    order = np.argsort(rows["began_ns"], kind="stable")
    for one in rows[order]:
        first = max(int(one["began_ns"]), until)
        last = min(int(one["ended_ns"]), ended)
        total += max(0, last - first)
        until = max(until, last)
    return total
