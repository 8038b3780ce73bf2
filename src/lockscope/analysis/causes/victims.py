"""Victims: statements that failed for a lock, or waited long for one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.index import HoldIndex, SpanIndex
from lockscope.analysis.model import Analysis, WaitEnd
from lockscope.interpret.model import Events
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import READ_SLOTS, Slot
from lockscope.trace.rows import runs, stable_order

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
_SAME: Final = ("process", "thread", "context", "began_ns", "ended_ns")
"""The fields that a victim has of its wait, by the same names."""
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
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
        mode: In which mode it wanted that.
        inside: Whether another connection of its own process was in its way.
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
    mode: LockMode
    inside: bool
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
    failing, loose = _failing(analysis)
    victims = [*_of_waits(analysis, failing), *_of_statements(analysis, loose)]
    return tuple(sorted(victims, key=lambda victim: (victim.began_ns, victim.process)))


def _failing(analysis: Analysis) -> tuple[Places, Places]:
    """For each wait the failed statement in which it was the last, -1 for none; and the failed
    statements without a wait.
    """
    statements, waits = analysis.source.statements, analysis.waits
    failed = np.flatnonzero(np.isin(statements["error"], LOCK_CODES))
    last = _last_within(waits, statements.take(failed))
    failing = np.full(len(waits), -1, np.int64)
    failing[last[last >= 0]] = failed[last >= 0]
    return failing, failed[last < 0]


def _last_within(waits: Events, statements: Events) -> Places:
    """For each statement the last wait of its thread that began in it; -1 for none."""
    found = np.full(len(statements), -1, np.int64)
    thread = _thread(waits)
    order = stable_order(thread)
    by_thread, own = thread[order], _thread(statements)
    for key in np.unique(own):
        of = order[slice(*np.searchsorted(by_thread, [key, key + np.uint64(1)]))]
        at = np.flatnonzero(own == key)
        latest = np.searchsorted(waits["began_ns"][of], statements["ended_ns"][at], "right") - 1
        at, of = at[latest >= 0], of[latest[latest >= 0]]
        within = waits["began_ns"][of] >= statements["began_ns"][at]
        found[at[within]] = of[within]
    return found


def _thread(rows: Events) -> NDArray[np.uint64]:
    thread: NDArray[np.uint64] = rows["process"].astype(np.uint64) << np.uint64(32) | rows["thread"]
    return thread


def _of_waits(analysis: Analysis, failing: Places) -> Iterator[Victim]:
    waits, resources = analysis.waits, analysis.source.resources
    length = waits["ended_ns"] - waits["began_ns"]
    failed = np.isin(waits["end"], (WaitEnd.REFUSED, WaitEnd.TIMED_OUT))
    places = np.flatnonzero(failed | (length >= LONG_WAIT_NS))
    rows = waits.take(places)
    blocker, share = _blockers(analysis)
    columns = (
        *(rows["end"], rows["resource"], rows["mode"], rows["inside"]),
        *_returned(analysis, rows, failing[places]),
        *(places, _read_holds(analysis, rows), blocker[places], share[places]),
    )
    # A million numbers are made Python's own at once: one by one takes longer than all the rules.
    for same, end, resource, mode, inside, returned_ns, code, wait, read_hold, hold, part in zip(
        zip(*(rows[name].tolist() for name in _SAME), strict=True),
        *(column.tolist() for column in columns),
        strict=True,
    ):
        process, thread, context, began_ns, ended_ns = same
        yield Victim(
            process=process,
            thread=thread,
            context=context,
            began_ns=began_ns,
            ended_ns=ended_ns,
            returned_ns=returned_ns,
            code=code,
            wait=wait,
            end=WaitEnd(end),
            wanted=Slot(resources[resource].slot),
            mode=LockMode(mode),
            inside=bool(inside),
            database=resources[resource].database,
            read_hold=read_hold,
            blocker=hold,
            share=part,
        )


def _of_statements(analysis: Analysis, places: Places) -> Iterator[Victim]:
    for row in analysis.source.statements.take(places):
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
            mode=LockMode.NONE,
            inside=False,
            database=-1,
            read_hold=-1,
            blocker=-1,
            share=0.0,
        )


def _returned(
    analysis: Analysis, waits: Events, failing: Places
) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    """When the failed statement of each wait returned, and its code; where there is none, the end
    of the wait and 0.
    """
    of = np.flatnonzero(failing >= 0)
    rows = analysis.source.statements.take(failing[of])
    returned_ns, code = waits["ended_ns"].copy(), np.zeros(len(waits), np.uint16)
    returned_ns[of], code[of] = rows["ended_ns"], rows["error"]
    return returned_ns, code


def _blockers(analysis: Analysis) -> tuple[Places, NDArray[np.float64]]:
    """For each wait the hold that was longest in its way, -1 for none, and its share of the
    wait.
    """
    waits, blocks = analysis.waits, analysis.blocks
    hold, share = np.full(len(waits), -1, np.int64), np.zeros(len(waits))
    if len(blocks):
        bounds = runs(blocks["wait"])
        longest = np.maximum.reduceat(blocks["overlap_ns"], bounds[:-1])
        worst = np.flatnonzero(blocks["overlap_ns"] == np.repeat(longest, np.diff(bounds)))
        wait, first = np.unique(blocks["wait"][worst], return_index=True)
        hold[wait] = blocks["hold"][worst[first]]
        waited = (waits["ended_ns"] - waits["began_ns"])[wait]
        share[wait] = longest / np.maximum(waited, 1)
    return hold, share


def _read_holds(analysis: Analysis, waits: Events) -> Places:
    """For each wait the read lock on its database that the waiter held from an earlier statement;
    -1 for none.
    """
    index = HoldIndex(analysis.holds)
    statement = SpanIndex(analysis.source.statements, "thread").enclosing(waits, "began_ns")
    found = np.full(len(waits), -1, np.int64)
    for resource in np.unique(waits["resource"]).tolist():
        wanted = analysis.source.resources[resource].slot
        for slot in _READS.get(wanted, ()):
            at = np.flatnonzero((waits["resource"] == resource) & (found < 0))
            rows = waits.take(at)
            hold = index.at(rows["process"], resource - wanted + slot, rows["began_ns"])
            held = np.flatnonzero(hold >= 0)
            at, hold = at[held], hold[held]
            older = _is_older(analysis, hold, waits.take(at), statement[at])
            found[at[older]] = hold[older]
    return found


def _is_older(
    analysis: Analysis, hold: Places, waits: Events, statement: Places
) -> NDArray[np.bool_]:
    """Whether each hold is of an earlier statement than the one that waits."""
    rows, statements = analysis.holds.take(hold), analysis.source.statements
    before = waits["began_ns"].astype(np.int64) - rows["began_ns"].astype(np.int64)
    after = rows["ended_ns"].astype(np.int64) - waits["ended_ns"].astype(np.int64)
    older = np.maximum(before, after) >= _ONE_STATEMENT_NS
    known = np.flatnonzero(statement >= 0)
    began_ns = statements["began_ns"][statement[known]]
    older[known] = rows["requested_ns"][known] < began_ns
    return older
