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

from lockscope.analysis.model import BLOCK, WAIT, WaitEnd
from lockscope.interpret.model import Events, Interpretation, Verdict
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot

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


def find_inside(source: Interpretation, holds: Events, waits: Events) -> tuple[Events, Events]:
    """Find the waits inside single processes.

    Args:
        source: What was recorded.
        holds: `HOLD` rows.
        waits: The `WAIT` rows that denied requests show; no sleep of theirs is counted again.

    Returns:
        `WAIT` rows by `began_ns`, and the `BLOCK` rows of what was in their way.
    """
    rows: list[tuple[_Episode, int]] = []
    blocks: list[tuple[int, int, int, int]] = []
    ways: dict[int, _Ways] = {}
    episodes = sorted(_episodes(source, waits), key=lambda episode: episode.began_ns)
    for episode in episodes:
        ways.setdefault(episode.process, _Ways(source, holds, episode.process))
        resource, in_the_way = ways[episode.process].of(episode)
        if resource is None:
            continue
        blocks += [
            (len(rows), hold, *_shared(episode, holds[hold], len(in_the_way)))
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


def _thread(rows: Events) -> NDArray[np.uint64]:
    thread: NDArray[np.uint64] = rows["process"].astype(np.uint64) << np.uint64(32) | rows["thread"]
    return thread


def _enclosing(rows: Events, moments: str, spans: Events) -> NDArray[np.int64]:
    """For each row, the span of its thread that began last and was not over; -1 for none."""
    thread = np.concatenate([_thread(spans), _thread(rows)])
    moment = np.concatenate([spans["began_ns"], rows[moments]])
    is_row = np.arange(len(thread)) >= len(spans)
    order = np.lexsort((is_row, moment, thread))
    last = np.maximum.accumulate(np.where(is_row[order], -1, np.arange(len(order))))
    found = np.where(last >= 0, order[last], -1)
    at = order[is_row[order]] - len(spans)
    span = np.full(len(rows), -1, np.int64)
    span[at] = found[is_row[order]]
    if not len(spans):
        return span
    fits = _thread(spans)[span] == _thread(rows)
    fits &= spans["ended_ns"][span] >= rows[moments]
    return np.where((span >= 0) & fits, span, -1)


def _episodes(source: Interpretation, waits: Events) -> Iterator[_Episode]:
    statements = source.statements
    failed = np.isin(statements["error"], (*_BUSY, *_LOCKED))
    failed[np.setdiff1d(_enclosing(waits, "began_ns", statements), [-1])] = False
    loose = source.pauses[_enclosing(source.pauses, "began_ns", waits) < 0]
    last: dict[int, NDArray[np.int64]] = {}
    for statement, run in _runs(loose, _enclosing(loose, "began_ns", statements)):
        if statement < 0:
            yield _of_sleeps(source, loose[run])
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


def _runs(loose: Events, statement: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Sleeps of one thread in the busy handler's rhythm, and the statement that they are in."""
    order = np.lexsort((loose["began_ns"], _thread(loose)))
    thread, asked = _thread(loose)[order], loose["asked_ns"][order]
    gap = loose["began_ns"][order][1:].astype(np.int64) - loose["ended_ns"][order][:-1]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (thread[1:] != thread[:-1]) | (gap > _BETWEEN_SLEEPS_NS)
    begins[1:] |= (statement[order][1:] != statement[order][:-1]) | (asked[1:] == _DELAYS_NS[0])
    for run in np.split(order, np.flatnonzero(begins)[1:]):
        if _is_rhythm(loose["asked_ns"][run].tolist()) and (statement[run[0]] >= 0 or len(run) > 1):
            yield int(statement[run[0]]), run


def _is_rhythm(asked: list[int]) -> bool:
    """Whether these are the busy handler's sleeps; a timeout may have cut the last one short."""
    wanted = [_DELAYS_NS[min(at, len(_DELAYS_NS) - 1)] for at in range(len(asked))]
    return bool(asked) and asked[:-1] == wanted[:-1] and 0 < asked[-1] <= wanted[-1]


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


def _of_sleeps(source: Interpretation, sleeps: Events) -> _Episode:
    """A wait of a program whose statements are not recorded: granted if a lock followed at once."""
    process, ended_ns = int(sleeps["process"][0]), int(sleeps["ended_ns"][-1])
    events = source.events
    span = slice(*np.searchsorted(events["began_ns"], [ended_ns, ended_ns + _MS]))
    after = events[span]
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


class _Ways:
    """What a process held that one of its own connections could meet."""

    def __init__(self, source: Interpretation, holds: Events, process: int) -> None:
        self._source = source
        self._places = np.flatnonzero(holds["process"] == process)
        self._holds = holds[self._places]
        slots = np.array([resource.slot for resource in source.resources], np.int64)
        self._slots = slots[self._holds["resource"]]
        exclusive = self._holds["mode"] == LockMode.EXCLUSIVE
        self._writing = exclusive & np.isin(self._slots, _WRITING)
        # In WAL mode every open connection keeps SHARED: there it is in nobody's way.
        self._wal = np.isin(self._slots, [slot for slot in Slot if slot.name.startswith("WAL")])
        self._reading = (self._slots == Slot.SHARED) & ~exclusive & (not self._wal.any())
        statement = _enclosing(self._holds, "requested_ns", source.statements)
        connection = np.append(source.statements["connection"], np.uint64(0))
        self._connection = connection[statement]

    def of(self, episode: _Episode) -> tuple[int | None, list[int]]:
        """What was wanted, and places of the holds in the way; None where nothing was ever held."""
        if not len(self._holds):
            return None, []
        for kind in (self._writing, self._reading):
            found = np.flatnonzero(kind & self._meets(episode))
            if len(found):
                resources = self._holds["resource"][found]
                longest = found[np.argmax(self._holds["ended_ns"][found])]
                same = found[resources == self._holds["resource"][longest]]
                return int(self._holds["resource"][longest]), self._places[same].tolist()
        first = self._source.resources[int(self._holds["resource"][0])].database
        return first * len(Slot) + (Slot.WAL_WRITE if self._wal.any() else Slot.RESERVED), []

    def _meets(self, episode: _Episode) -> NDArray[np.bool_]:
        holds = self._holds
        own = (holds["thread"] == episode.thread) & (holds["began_ns"] >= episode.began_ns)
        if episode.connection:
            own |= self._connection == episode.connection
        overlaps = (holds["requested_ns"] <= episode.ended_ns) & (
            holds["released_ns"] >= episode.began_ns
        )
        met: NDArray[np.bool_] = overlaps & ~own
        return met
