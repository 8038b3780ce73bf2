"""Victims: statements that failed for a lock, or waited long for one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from lockscope.analysis.index import HoldIndex, SpanIndex
from lockscope.analysis.model import Analysis, WaitEnd
from lockscope.locks.sqlite import READ_SLOTS, Slot

__all__ = ["LOCK_CODES", "LONG_WAIT_NS", "Victim", "find_victims"]

LONG_WAIT_NS: Final = 1_000_000_000
"""A wait that was granted in the end makes a victim from here on: people notice a second."""
LOCK_CODES: Final = (5, 6, 15, 261, 262, 517, 518, 773)
"""SQLITE_BUSY, LOCKED, PROTOCOL, BUSY_RECOVERY, LOCKED_SHAREDCACHE, BUSY_SNAPSHOT, LOCKED_VTAB and
BUSY_TIMEOUT, `sqlite3.h`."""
_ONE_STATEMENT_NS: Final = 1_000_000
"""Where statements are not recorded: one that is refused takes its read lock microseconds before
and gives it back microseconds after (`btree.c`, sqlite3BtreeBeginTrans); a read lock that lasted
longer belongs to the transaction."""
_READS: Final[dict[int, tuple[Slot, ...]]] = {
    Slot.RESERVED: (Slot.SHARED,),
    Slot.WAL_WRITE: READ_SLOTS,
}
"""The read locks of a transaction that wants a write lock."""


@dataclass(frozen=True, slots=True)
class Victim:
    """One statement that failed for a lock, or waited long for one.

    Attributes:
        process: Its place.
        thread: Its thread.
        context: Its statement's place, 0 where unknown.
        began_ns: When it began to wait, or the statement that failed began.
        ended_ns: When the wait, or the statement, was over.
        returned_ns: When the statement returned; `ended_ns` where that is not known.
        code: Extended result code that its program was given; 0 for none, or where unknown.
        wait: Place of its wait; -1 where no lock call was denied and nothing slept.
        end: How the wait ended; None without one.
        wanted: The slot that it was denied last; None where none was.
        database: Place of the database; -1 where unknown.
        read_hold: Place of the read lock that it held from an earlier statement; -1 for none.
        blocker: Place of the hold that was longest in its way; -1 for none.
        share: How much of the wait that hold was in the way, 0 to 1.
    """

    process: int
    thread: int
    context: int
    began_ns: int
    ended_ns: int
    returned_ns: int
    code: int
    wait: int
    end: WaitEnd | None
    wanted: Slot | None
    database: int
    read_hold: int
    blocker: int
    share: float

    @property
    def failed(self) -> bool:
        """Whether it was not granted what it wanted."""
        return bool(self.code) or self.end in (WaitEnd.REFUSED, WaitEnd.TIMED_OUT)

    @property
    def waited_ns(self) -> int:
        """How long it waited."""
        return self.ended_ns - self.began_ns


def find_victims(analysis: Analysis) -> tuple[Victim, ...]:
    """The victims of a trace, in order of time."""
    index = HoldIndex(analysis.holds)
    codes, loose = _codes(analysis)
    victims = [*_of_waits(analysis, index, codes), *_of_statements(analysis, loose)]
    return tuple(sorted(victims, key=lambda victim: (victim.began_ns, victim.process)))


def _codes(analysis: Analysis) -> tuple[dict[int, int], list[int]]:
    """The statement of each wait that made it fail, and failed statements without a wait."""
    statements, waits = analysis.source.statements, analysis.waits
    codes: dict[int, int] = {}
    loose = []
    for place in np.flatnonzero(np.isin(statements["error"], LOCK_CODES)).tolist():
        row = statements[place]
        within = np.flatnonzero(
            (waits["process"] == row["process"])
            & (waits["thread"] == row["thread"])
            & (waits["began_ns"] >= row["began_ns"])
            & (waits["began_ns"] <= row["ended_ns"])
        )
        if len(within):
            codes[int(within[-1])] = place
        else:
            loose.append(place)
    return codes, loose


def _of_waits(analysis: Analysis, index: HoldIndex, codes: dict[int, int]) -> Iterator[Victim]:
    waits, statements = analysis.waits, analysis.source.statements
    within = SpanIndex(statements, "thread").enclosing(waits, "began_ns")
    length = waits["ended_ns"] - waits["began_ns"]
    failed = np.isin(waits["end"], (WaitEnd.REFUSED, WaitEnd.TIMED_OUT))
    for place in np.flatnonzero(failed | (length >= LONG_WAIT_NS)).tolist():
        row = waits[place]
        resource = analysis.source.resources[int(row["resource"])]
        blocker, share = _blocker(analysis, place)
        yield Victim(
            process=int(row["process"]),
            thread=int(row["thread"]),
            context=int(row["context"]),
            began_ns=int(row["began_ns"]),
            ended_ns=int(row["ended_ns"]),
            returned_ns=int(statements["ended_ns"][codes[place]])
            if place in codes
            else int(row["ended_ns"]),
            code=int(statements["error"][codes[place]]) if place in codes else 0,
            wait=place,
            end=WaitEnd(int(row["end"])),
            wanted=Slot(resource.slot),
            database=resource.database,
            read_hold=_read_hold(analysis, index, place, int(within[place])),
            blocker=blocker,
            share=share,
        )


def _of_statements(analysis: Analysis, places: list[int]) -> Iterator[Victim]:
    for row in analysis.source.statements[places]:
        yield Victim(
            process=int(row["process"]),
            thread=int(row["thread"]),
            context=int(row["context"]),
            began_ns=int(row["began_ns"]),
            ended_ns=int(row["ended_ns"]),
            returned_ns=int(row["ended_ns"]),
            code=int(row["error"]),
            wait=-1,
            end=None,
            wanted=None,
            database=-1,
            read_hold=-1,
            blocker=-1,
            share=0.0,
        )


def _blocker(analysis: Analysis, wait: int) -> tuple[int, float]:
    """The hold that was longest in the way of a wait, and its share of the wait."""
    rows = analysis.blocks[slice(*np.searchsorted(analysis.blocks["wait"], [wait, wait + 1]))]
    if not len(rows):
        return -1, 0.0
    worst = rows[int(np.argmax(rows["overlap_ns"]))]
    waited = int(analysis.waits["ended_ns"][wait] - analysis.waits["began_ns"][wait])
    return int(worst["hold"]), int(worst["overlap_ns"]) / max(waited, 1)


def _read_hold(analysis: Analysis, index: HoldIndex, wait: int, statement: int) -> int:
    """The read lock on the database that the waiter held from an earlier statement; -1 for none."""
    row, resources = analysis.waits[wait], analysis.source.resources
    wanted = resources[int(row["resource"])]
    moment = row["began_ns"].reshape(1)
    for place, resource in enumerate(resources):
        if resource.database == wanted.database and resource.slot in _READS.get(wanted.slot, ()):
            [hold] = index.at(int(row["process"]), place, moment).tolist()
            if hold >= 0 and _is_older(analysis, hold, row, statement):
                return int(hold)
    return -1


def _is_older(analysis: Analysis, hold: int, wait: np.void, statement: int) -> bool:
    row = analysis.holds[hold]
    if statement >= 0:
        began_ns = analysis.source.statements["began_ns"][statement]
        return bool(row["requested_ns"] < began_ns)
    before = int(wait["began_ns"]) - int(row["began_ns"])
    after = int(row["ended_ns"]) - int(wait["ended_ns"])
    return max(before, after) >= _ONE_STATEMENT_NS
