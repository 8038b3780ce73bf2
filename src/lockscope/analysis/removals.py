"""Removed files: a database, or a journal of one, lost its name while somebody was using it.

Whoever has a file open goes on with it when its name is gone, and whoever opens the name afterwards
gets another file or none: the locks of the ones keep none of the others out
(sqlite.org/howtocorrupt.html, sections 2.5 and 4.1).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.index import HoldIndex
from lockscope.analysis.model import Analysis
from lockscope.interpret.model import Cause, Events
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import SHM_SLOTS, Slot
from lockscope.trace.kinds import Removal

__all__ = ["RemovedFile", "find_removals", "removal_sentence"]

_LOW: Final = 0xFFFFFFFF
_WRITING: Final = (Slot.RESERVED, Slot.PENDING)
_USED_BY: Final = {"-wal": SHM_SLOTS, "-shm": SHM_SLOTS, "-journal": _WRITING}
"""Which locks tell that a journal is in use: `wal.c` holds WAL_DMS for as long as it is attached,
and a rollback journal belongs to whoever has RESERVED."""
_VERBS: Final = {
    Removal.UNLINKED: "unlinked",
    Removal.RENAMED: "renamed",
    Removal.REPLACED: "replaced",
}


@dataclass(frozen=True, slots=True)
class RemovedFile:
    """One file that lost its name.

    Attributes:
        pid: Who took the name away.
        command: Its command line.
        at_ns: When.
        file: The file's path until then.
        how: Unlinked, renamed, or replaced by another.
        other: Its new path, or the path of what took its place; None where unlinked.
        origin: Where in the program's code, `module+0xoffset`.
        statement: What ran then; None for what SQLite did not do itself.
        source: At which line.
        users: Pids of the processes that held locks on it or had it open.
        resources: What of it they held.
    """

    pid: int
    command: str
    at_ns: int
    file: str
    how: Removal
    other: str | None
    origin: str | None
    statement: str | None
    source: str | None
    users: tuple[int, ...]
    resources: tuple[str, ...]


def find_removals(analysis: Analysis) -> tuple[RemovedFile, ...]:
    """The removals of a trace, in order of time."""
    source = analysis.source
    if not len(source.removals):
        return ()
    index = HoldIndex(analysis.holds)
    found: dict[int, RemovedFile] = {}
    for database in np.unique(source.removals["database"]).tolist():
        places = np.flatnonzero(source.removals["database"] == database)
        use = _Use(analysis, index, database, source.removals[places])
        for at, place in enumerate(places.tolist()):
            found[place] = _removed(analysis, source.removals[place], use, at)
    return tuple(found[place] for place in sorted(found))


def _removed(analysis: Analysis, row: np.void, use: "_Use", at: int) -> RemovedFile:
    source = analysis.source
    process, context = source.processes[int(row["process"])], source.contexts[int(row["context"])]
    ending = _ending(source.files[int(row["file"])])
    held = use.held(at, ending)
    users = {place for place, _ in held} | (use.kept(at) if not ending else set())
    origin = source.texts[int(row["origin"])]
    writes = int(row["process"]) in use.writers(at) and not _is_python(origin, context.source)
    own = bool(ending) and (bool(context.statement) or writes)
    return RemovedFile(
        pid=process.pid,
        command=process.command,
        at_ns=int(row["at_ns"]),
        file=source.files[int(row["file"])],
        how=Removal(int(row["how"])),
        other=source.texts[int(row["other"])] or None,
        origin=origin or None,
        statement=context.statement or None,
        source=context.source or None,
        users=() if own else tuple(sorted({source.processes[place].pid for place in users})),
        resources=() if own else tuple(sorted({source.resources[it].title for _, it in held})),
    )


def _is_python(origin: str, source: str) -> bool:
    """Whether a line of Python removed a file itself, and not SQLite or a driver behind it."""
    module = PurePath(origin.partition("+0x")[0]).name
    return bool(source) and (not module or module.startswith(("python", "libpython")))


def _ending(path: str) -> str:
    return next((ending for ending in _USED_BY if path.endswith(ending)), "")


class _Use:
    """Who used a database at the moments of its removals."""

    def __init__(
        self, analysis: Analysis, index: HoldIndex, database: int, removals: Events
    ) -> None:
        self._source = analysis.source
        self._moments = removals["at_ns"]
        resources = [
            place
            for place, resource in enumerate(analysis.source.resources)
            if resource.database == database
        ]
        of_it = np.flatnonzero(np.isin(analysis.holds["resource"], resources))
        key = analysis.holds["process"][of_it].astype(np.uint64) << np.uint64(32)
        pairs = np.unique(key | analysis.holds["resource"][of_it]).tolist()
        self._held = {
            (pair >> 32, pair & _LOW): index.at(pair >> 32, pair & _LOW, self._moments)
            for pair in pairs
        }
        self._modes = analysis.holds["mode"]
        self._kept = self._find_kept(database, resources)

    def held(self, at: int, ending: str) -> list[tuple[int, int]]:
        """Process and resource of each lock that was held and tells of use."""
        slots = _USED_BY.get(ending, tuple(Slot))
        return [pair for pair in self._at(at) if self._source.resources[pair[1]].slot in slots]

    def writers(self, at: int) -> set[int]:
        """The processes that were writing: SQLite removes its own journals so."""
        return {
            process
            for (process, resource), hold in self._at(at).items()
            if self._modes[hold] == LockMode.EXCLUSIVE
            and self._source.resources[resource].slot in (*_WRITING, Slot.SHARED)
        }

    def kept(self, at: int) -> set[int]:
        """The processes that used the database before and after, and closed nothing between."""
        return {process for process, kept in self._kept.items() if kept[at]}

    def _at(self, at: int) -> dict[tuple[int, int], int]:
        return {pair: int(holds[at]) for pair, holds in self._held.items() if holds[at] >= 0}

    def _find_kept(self, database: int, resources: list[int]) -> dict[int, NDArray[np.bool_]]:
        events, closures = self._source.events, self._source.closures
        asked = np.isin(events["resource"], resources) & (events["cause"] == Cause.UNLOCK)
        used = events.take(np.flatnonzero(asked))
        closed = closures[closures["database"] == database]
        return {
            process: self._in_between(
                np.sort(used["began_ns"][used["process"] == process]),
                np.sort(closed["began_ns"][closed["process"] == process]),
            )
            for process in np.unique(used["process"]).tolist()
        }

    def _in_between(
        self, used: NDArray[np.uint64], closed: NDArray[np.uint64]
    ) -> NDArray[np.bool_]:
        after = np.searchsorted(used, self._moments, "right")
        between = (after > 0) & (after < len(used))
        last = used[np.maximum(after - 1, 0)]
        following = used[np.minimum(after, len(used) - 1)]
        closes = np.searchsorted(closed, following) - np.searchsorted(closed, last)
        kept: NDArray[np.bool_] = between & (closes == 0)
        return kept


def removal_sentence(removed: RemovedFile) -> str:
    """All of it in a sentence."""
    words = [f"Process {removed.pid}", *_program(removed), _VERBS[removed.how], removed.file]
    if removed.other:
        words += ["to" if removed.how is Removal.RENAMED else "by", removed.other]
    if place := removed.source or removed.origin:
        words += ["at", place]
    if removed.statement:
        words += [f"in {removed.statement!r}"]
    return " ".join(words) + _users(removed) + "."


def _program(removed: RemovedFile) -> Iterator[str]:
    if words := removed.command.split():
        yield f"({PurePath(words[0]).name})"


def _users(removed: RemovedFile) -> str:
    if not removed.users:
        return ""
    one = len(removed.users) == 1
    who = f"process{'' if one else 'es'} {', '.join(map(str, removed.users))}"
    if not removed.resources:
        return f" while {who} had it open"
    return f" while {who} held {', '.join(removed.resources)}"
