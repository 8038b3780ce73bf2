"""Broken protocol: what a process did without the lock that SQLite's protocol requires for it.

A *violation* is a request for a lock, a write to a database's file or the end of a rollback journal
by a process that does not hold the lock which has to come before (`os_unix.c`, unixLock; `pager.c`;
`wal.c`). Whoever does it believes to hold a lock that is not there: its locks were switched off, it
lost them, or another process took them (a connection carried over `fork`). What is required:

    RESERVED or PENDING                 SHARED
    a lock of the write-ahead log       SHARED, which a connection keeps while it has the log open
    a write to the database             EXCLUSIVE, or CKPT (a checkpoint)
    a write to the rollback journal,    RESERVED, or EXCLUSIVE (rolling back a hot journal)
    or its removal
    a write to the write-ahead log      WRITE, or CKPT, or EXCLUSIVE (the log's index in memory)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.index import HoldIndex
from lockscope.analysis.model import Analysis
from lockscope.interpret.model import BY_DESCRIPTION, Cause, Events, Part, Verdict
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import READ_SLOTS, Slot
from lockscope.trace.kinds import Removal

__all__ = ["Breach", "Violation", "find_violations"]

_SLOTS: Final = len(Slot)
_LATE_NS: Final = 1_000_000
"""Writes that two threads of a process add up at once may be dated microseconds after the unlock
that made them be told (`native/traffic.c`): a lock that was given back just before still counts."""
_ENOUGH: Final[dict[Part, tuple[Slot, ...]]] = {
    Part.MAIN: (Slot.SHARED, Slot.WAL_CKPT),
    Part.JOURNAL: (Slot.RESERVED, Slot.SHARED),
    Part.WAL: (Slot.WAL_WRITE, Slot.WAL_CKPT, Slot.SHARED),
}
"""Any of these, held exclusively, allows to write to a file. The `-shm` is mapped into memory."""
_LOG: Final = (Slot.WAL_WRITE, Slot.WAL_CKPT, *READ_SLOTS)


class Breach(Enum):
    """What was done without the lock."""

    ESCALATED = "asked for"
    WROTE = "wrote to"
    COMMITTED = "ended a transaction by removing"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that was done without the lock it requires.

    Attributes:
        at_ns: When.
        process: Place of the process.
        database: Place of the database.
        breach: What was done.
        what: To what: the lock asked for, the file written or removed.
        context: Place of the statement that ran then; 0 where unknown.
    """

    at_ns: int
    process: int
    database: int
    breach: Breach
    what: str
    context: int


def find_violations(analysis: Analysis) -> tuple[Violation, ...]:
    """The violations of a trace, in order of time.

    Processes of which records are missing have none: the lock may be among what is missing.
    """
    source = analysis.source
    missing = {gap.pid for gap in source.gaps}
    judged = np.array(
        [process.recorded and process.pid not in missing for process in source.processes], np.bool_
    )
    found = [
        *(() if source.inferred else _escalations(analysis, judged)),
        *_writes(analysis, judged),
        *_commits(analysis, judged),
    ]
    return tuple(sorted(found, key=lambda one: (one.at_ns, one.process)))


def _escalations(analysis: Analysis, judged: NDArray[np.bool_]) -> Iterator[Violation]:
    """Requests beyond SHARED by a process that does not hold SHARED."""
    source = analysis.source
    events, slots = source.events, np.array([one.slot for one in source.resources], np.int64)
    slot = slots[events["resource"]]
    beyond = np.isin(slot, (Slot.RESERVED, Slot.PENDING)) & (events["mode"] == LockMode.EXCLUSIVE)
    beyond |= np.isin(slot, _LOG)
    beyond &= judged[events["process"]] & (events["flags"] & BY_DESCRIPTION == 0)
    beyond &= (events["verdict"] != Verdict.RELEASED) & (events["mode"] != LockMode.NONE)
    places = np.flatnonzero(beyond)
    rows, slot = events.take(places), slot[places]
    shared = rows["resource"] - slot + Slot.SHARED
    index = HoldIndex(analysis.holds[slots[analysis.holds["resource"]] == Slot.SHARED])
    held = index.at(rows["process"], shared.astype(np.uint32), rows["began_ns"])
    for row in rows[held < 0]:
        resource = source.resources[int(row["resource"])]
        yield Violation(
            at_ns=int(row["began_ns"]),
            process=int(row["process"]),
            database=resource.database,
            breach=Breach.ESCALATED,
            what=resource.title,
            context=int(row["context"]),
        )


def _writes(analysis: Analysis, judged: NDArray[np.bool_]) -> Iterator[Violation]:
    """Writes to files by a process that holds none of the locks that allow it."""
    source = analysis.source
    work = source.work[(source.work["sync"] == 0) & judged[source.work["process"]]]
    allowed = _Allowed(analysis)
    for part in _ENOUGH:
        rows = work[work["part"] == part]
        for row in rows[~allowed.at(rows, rows["began_ns"], part)]:
            yield Violation(
                at_ns=int(row["began_ns"]),
                process=int(row["process"]),
                database=int(row["database"]),
                breach=Breach.WROTE,
                what=_file(source.databases[int(row["database"])], part),
                context=0,
            )


def _commits(analysis: Analysis, judged: NDArray[np.bool_]) -> Iterator[Violation]:
    """Rollback journals that SQLite itself removed, which ends a transaction, without a lock."""
    source = analysis.source
    removals = source.removals[judged[source.removals["process"]]]
    own = [
        source.files[int(row["file"])].endswith("-journal")
        and bool(source.contexts[int(row["context"])].statement)
        for row in removals
    ]
    rows = removals[np.array(own, np.bool_) & (removals["how"] == Removal.UNLINKED)]
    for row in rows[~_Allowed(analysis).at(rows, rows["at_ns"], Part.JOURNAL)]:
        yield Violation(
            at_ns=int(row["at_ns"]),
            process=int(row["process"]),
            database=int(row["database"]),
            breach=Breach.COMMITTED,
            what=_file(source.databases[int(row["database"])], Part.JOURNAL),
            context=int(row["context"]),
        )


def _file(database: str, part: Part) -> str:
    return PurePath(database).name + ("" if part is Part.MAIN else f"-{part.name.lower()}")


class _Allowed:
    """Finds whether a process held one of the locks that allow to write, at some moments."""

    def __init__(self, analysis: Analysis) -> None:
        holds = analysis.holds[analysis.holds["mode"] == LockMode.EXCLUSIVE]
        if analysis.source.inferred:  # from statements: no lock call was made
            holds = holds[:0]
        given_back = np.isin(holds["cause"], (Cause.UNLOCK, Cause.CHANGED))
        holds["ended_ns"] = holds["released_ns"] + np.uint64(_LATE_NS) * given_back
        self._index = HoldIndex(holds)

    def at(self, rows: Events, moments: NDArray[np.uint64], part: Part) -> NDArray[np.bool_]:
        """For each row, whether its process held any of the locks at its moment."""
        found = np.zeros(len(rows), np.bool_)
        for slot in _ENOUGH[part]:
            resource = (rows["database"] * np.uint32(_SLOTS) + np.uint32(slot)).astype(np.uint32)
            found |= self._index.at(rows["process"], resource, moments) >= 0
        return found
