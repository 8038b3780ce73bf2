"""Waits inside one process: one connection was in the way of another, and no lock call was denied.

SQLite arbitrates between the connections of a process by its own bookkeeping (`os_unix.c`,
unixInodeInfo and unixShmNode), so the kernel is not asked. Two things give such a wait away: a
statement that ended with SQLITE_BUSY or SQLITE_LOCKED though none of its lock calls was denied, and
sleeps in the rhythm of SQLite's busy handler though none was denied before them. What stood in the
way is then a lock of the process itself, taken for another connection.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.index import HoldIndex, SpanIndex
from lockscope.analysis.model import BLOCK, WAIT, WaitEnd
from lockscope.interpret.model import Events, Interpretation, Verdict
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot
from lockscope.trace.rows import stable_order

__all__ = ["find_inside"]

_MS: Final = 1_000_000
_DELAYS_NS: Final = tuple(ms * _MS for ms in (1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100))
"""The sleeps of sqliteDefaultBusyCallback, `main.c`; then 100 ms each."""
_BETWEEN_SLEEPS_NS: Final = 100 * _MS
"""A try takes microseconds; sleeps further apart than this do not belong together."""
_BUSY: Final = (5, 261, 773)
"""SQLITE_BUSY, _RECOVERY and _TIMEOUT; _SNAPSHOT is no wait."""
_LOCKED: Final = (6, 262, 518)
_WRITING: Final = (Slot.PENDING, Slot.RESERVED, Slot.SHARED, Slot.WAL_WRITE, Slot.WAL_CKPT)


@dataclass(frozen=True, slots=True)
class _Episode:
    """A wait before it is known what for."""

    process: int
    thread: int
    began_ns: int
    ended_ns: int
    slept_ns: int
    sleeps: int
    context: int
    connection: int
    end: WaitEnd


def find_inside(source: Interpretation, holds: HoldIndex, waits: Events) -> tuple[Events, Events]:
    """Find the waits inside single processes.

    Args:
        source: What was recorded.
        holds: Holds by process and resource.
        waits: The `WAIT` rows that denied requests show; no sleep of theirs is counted again.

    Returns:
        `WAIT` rows by `began_ns`, and the `BLOCK` rows of what was in their way.
    """
    rows: list[tuple[_Episode, int]] = []
    blocks: list[tuple[int, int, int, int]] = []
    ways: dict[int, _Ways] = {}
    statements = SpanIndex(source.statements, "thread")
    episodes = _episodes(source, waits, statements)
    for episode in sorted(episodes, key=lambda episode: episode.began_ns):
        if episode.process not in ways:
            ways[episode.process] = _Ways(source, holds, statements, episode.process)
        resource, in_the_way = ways[episode.process].of(episode)
        if resource is None:
            continue
        blocks += [
            (len(rows), hold, *_shared(episode, holds.spans[hold], len(in_the_way)))
            for hold in in_the_way
        ]
        rows.append((episode, resource))
    return _waits(rows), np.array(blocks, BLOCK)


def _shared(episode: _Episode, hold: np.void, among: int) -> tuple[int, int]:
    began = max(episode.began_ns, int(hold["began_ns"]))
    overlap = max(0, min(episode.ended_ns, int(hold["ended_ns"])) - began)
    return overlap, overlap // among


def _waits(rows: list[tuple[_Episode, int]]) -> Events:
    waits: Events = np.zeros(len(rows), WAIT)
    for at, (episode, resource) in enumerate(rows):
        for field in ("began_ns", "ended_ns", "slept_ns", "process", "thread", "context", "end"):
            waits[field][at] = getattr(episode, field)
        waits["resource"][at] = resource
        waits["attempts"][at] = episode.sleeps + 1
    waits["mode"] = LockMode.EXCLUSIVE
    waits["inferred"] = waits["inside"] = 1
    return waits


def _episodes(source: Interpretation, waits: Events, index: SpanIndex) -> Iterator[_Episode]:
    statements = source.statements
    failed = np.isin(statements["error"], (*_BUSY, *_LOCKED))
    failed[np.setdiff1d(index.enclosing(waits, "began_ns"), [-1])] = False
    waited = SpanIndex(waits, "thread").enclosing(source.pauses, "began_ns")
    loose = source.pauses.take(np.flatnonzero(waited < 0))
    # Copied into a column once: to search a field of ten million rows would copy it each time.
    event_ns = np.ascontiguousarray(source.events["began_ns"][: None if len(loose) else 0])
    last: dict[int, NDArray[np.int64]] = {}
    for statement, run in _rhythms(loose, index.enclosing(loose, "began_ns")):
        if statement < 0:
            yield _of_sleeps(source, event_ns, loose[run])
        else:
            if statement in last:
                row = statements[statement]
                yield _of_statement(row, loose[last[statement]], WaitEnd.GRANTED)
            last[statement] = run
    for statement in np.flatnonzero(failed).tolist():
        run = last.pop(statement, np.zeros(0, np.int64))
        end = WaitEnd.TIMED_OUT if len(run) else WaitEnd.REFUSED
        yield _of_statement(statements[statement], loose[run], end)
    for statement, run in last.items():
        yield _of_statement(statements[statement], loose[run], WaitEnd.GRANTED)


def _rhythms(
    loose: Events, statement: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Sleeps of one thread in the busy handler's rhythm, and the statement that they are in."""
    thread = loose["process"].astype(np.uint64) << np.uint64(32) | loose["thread"]
    order = stable_order(thread)
    thread, within, asked = thread[order], statement[order], loose["asked_ns"][order]
    gap = loose["began_ns"][order][1:].astype(np.int64) - loose["ended_ns"][order][:-1]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (thread[1:] != thread[:-1]) | (gap > _BETWEEN_SLEEPS_NS)
    begins[1:] |= (within[1:] != within[:-1]) | (asked[1:] == _DELAYS_NS[0])
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(order))
    # A program's own sleeps are many, and longer than the handler's first.
    possible = (asked[first] <= _DELAYS_NS[0]) & ((within[first] >= 0) | (last - first > 1))
    for begin, end in zip(first[possible].tolist(), last[possible].tolist(), strict=True):
        if _is_rhythm(asked[begin:end].tolist()):
            yield int(within[begin]), order[begin:end]


def _is_rhythm(asked: list[int]) -> bool:
    """Whether these are the busy handler's sleeps; a timeout may have cut the last one short."""
    wanted = [_DELAYS_NS[min(at, len(_DELAYS_NS) - 1)] for at in range(len(asked))]
    return asked[:-1] == wanted[:-1] and 0 < asked[-1] <= wanted[-1]


def _of_statement(row: np.void, sleeps: Events, end: WaitEnd) -> _Episode:
    granted = end == WaitEnd.GRANTED
    return _Episode(
        process=int(row["process"]),
        thread=int(row["thread"]),
        began_ns=int(sleeps["began_ns"][0]) if len(sleeps) else int(row["began_ns"]),
        ended_ns=int(sleeps["ended_ns"][-1]) if granted else int(row["ended_ns"]),
        slept_ns=int((sleeps["ended_ns"] - sleeps["began_ns"]).sum()),
        sleeps=len(sleeps),
        context=int(row["context"]),
        connection=int(row["connection"]),
        end=end,
    )


def _of_sleeps(source: Interpretation, event_ns: NDArray[np.uint64], sleeps: Events) -> _Episode:
    """A wait of a program whose statements are not recorded: granted if a lock followed at once."""
    process, ended_ns = int(sleeps["process"][0]), int(sleeps["ended_ns"][-1])
    after = source.events[slice(*np.searchsorted(event_ns, [ended_ns, ended_ns + _MS]))]
    taken = (after["process"] == process) & (after["thread"] == sleeps["thread"][0])
    taken &= (after["verdict"] == Verdict.GRANTED) & (after["mode"] == LockMode.EXCLUSIVE)
    return _Episode(
        process=process,
        thread=int(sleeps["thread"][0]),
        began_ns=int(sleeps["began_ns"][0]),
        ended_ns=ended_ns,
        slept_ns=int((sleeps["ended_ns"] - sleeps["began_ns"]).sum()),
        sleeps=len(sleeps),
        context=int(sleeps["context"][0]),
        connection=0,
        end=WaitEnd.GRANTED if taken.any() else WaitEnd.TIMED_OUT,
    )


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Holds of one process that others could meet, by time, to be narrowed to a span of time.

    Attributes:
        places: Their places among all holds.
        requested_ns: For each, the earliest request of it and of all that follow.
        released_ns: For each, the latest release of it and of all before.
    """

    places: NDArray[np.int64]
    requested_ns: NDArray[np.uint64]
    released_ns: NDArray[np.uint64]

    def around(self, began_ns: int, ended_ns: int) -> NDArray[np.int64]:
        """The places of all that can meet a span, and of few that do not."""
        first = np.searchsorted(self.released_ns, began_ns, "left")
        last = np.searchsorted(self.requested_ns, ended_ns, "right")
        return self.places[first:last]


def _candidates(holds: Events, places: NDArray[np.int64]) -> _Candidates:
    requested, released = holds["requested_ns"][places], holds["released_ns"][places]
    earliest = np.minimum.accumulate(requested[::-1])[::-1]
    return _Candidates(places, earliest, np.maximum.accumulate(released))


class _Ways:
    """What a process held that one of its own connections could meet."""

    def __init__(
        self, source: Interpretation, holds: HoldIndex, statements: SpanIndex, process: int
    ) -> None:
        self._source, self._holds, self._statements = source, holds.spans, statements
        self._connection = np.append(source.statements["connection"], np.uint64(0))
        places = self._places = holds.of_process(process)
        slots = np.array([resource.slot for resource in source.resources], np.int64)
        slots = slots[self._holds["resource"][places]]
        exclusive = self._holds["mode"][places] == LockMode.EXCLUSIVE
        # In WAL mode every open connection keeps SHARED: there it is in nobody's way.
        self._wal = np.isin(slots, [slot for slot in Slot if slot.name.startswith("WAL")]).any()
        reading = (slots == Slot.SHARED) & ~exclusive & (not self._wal)
        self._kinds = [
            _candidates(self._holds, places[kind])
            for kind in (exclusive & np.isin(slots, _WRITING), reading)
        ]

    def of(self, episode: _Episode) -> tuple[int | None, list[int]]:
        """What was wanted, and places of the holds in the way; None where nothing was ever held."""
        if not len(self._places):
            return None, []
        for kind in self._kinds:
            found = self._met(kind.around(episode.began_ns, episode.ended_ns), episode)
            if len(found):
                resources = self._holds["resource"][found]
                longest = resources[np.argmax(self._holds["ended_ns"][found])]
                return int(longest), found[resources == longest].tolist()
        first = self._source.resources[int(self._holds["resource"][self._places[0]])].database
        return first * len(Slot) + (Slot.WAL_WRITE if self._wal else Slot.RESERVED), []

    def _met(self, places: NDArray[np.int64], episode: _Episode) -> NDArray[np.int64]:
        holds = self._holds.take(places)
        own = (holds["thread"] == episode.thread) & (holds["began_ns"] >= episode.began_ns)
        if episode.connection:
            statement = self._statements.enclosing(holds, "requested_ns")
            own |= self._connection[statement] == episode.connection
        met: NDArray[np.bool_] = (holds["requested_ns"] <= episode.ended_ns) & ~own
        met &= holds["released_ns"] >= episode.began_ns
        chosen: NDArray[np.int64] = places[met]
        return chosen
