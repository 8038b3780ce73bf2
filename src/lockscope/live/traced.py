"""What the trace of a process that is being recorded at this moment tells of it: exact times.

The native recorder writes each lock call, sleep and statement into a segment that the process has
mapped (`lockscope trace`, `lockscope run`), so `/proc/PID/maps` names it.
"""

import errno
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from lockscope.capture.holders import status_of
from lockscope.live.files import DatabaseFile
from lockscope.live.holding import Held
from lockscope.live.segment_tail import Record, SegmentTail, opened_segment
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import DATABASE_SLOTS, SHM_SLOTS, Slot, lock_name, slots_in
from lockscope.trace.kinds import BY_DESCRIPTION, Kind
from lockscope.trace.writer import process_start

__all__ = ["Episode", "Grant", "Recorded", "recorded"]

_SEGMENT: Final = "-native.segment"
_DENIED: Final = frozenset({errno.EAGAIN, errno.EACCES})
_LOCKS: Final = frozenset({Kind.LOCK, Kind.LOCK_WAIT})
_TELLING: Final = _LOCKS | {Kind.SLEEP, Kind.STATEMENT}
_SAME_TRY_NS: Final = 1_000_000
"""As `analysis.waits`: denials closer than SQLite's shortest sleep belong to one try."""
_FRESH_NS: Final = 150_000_000
"""SQLite asks again after 100 ms (`main.c`, sqliteDefaultBusyCallback)."""

_Mode = tuple[Slot, LockMode]


class Grant(NamedTuple):
    """When a lock was granted, and under what.

    Attributes:
        held_s: For how many seconds it has been held.
        statement: The SQL that took it; None where unknown.
        source: Its `file:line`; None where unknown.
    """

    held_s: float
    statement: str | None
    source: str | None


class Episode(NamedTuple):
    """A wait that goes on: tries of one thread, all of them denied.

    Attributes:
        slots: What was asked for last.
        mode: How.
        waited_s: Seconds since the first of the tries.
        tries: How many there were.
        is_fresh: Whether it has slept between two tries, and the last was so short ago that the
            next one may still come.
        statement: The SQL that waits; None where unknown.
        source: Its `file:line`; None where unknown.
    """

    slots: tuple[Slot, ...]
    mode: LockMode
    waited_s: float
    tries: int
    is_fresh: bool
    statement: str | None
    source: str | None

    @property
    def wants(self) -> str:
        """The lock that is waited for: PENDING is asked for on the way to it (`os_unix.c`)."""
        slot = self.slots[0]
        return lock_name(Slot.SHARED if slot is Slot.PENDING else slot, self.mode)


class Recorded(NamedTuple):
    """What a process's trace tells of a database.

    Attributes:
        grant: Of the lock that it has held longest among those that stand in others' way; None
            where the trace does not tell it.
        episode: Its wait; None where it waits for nothing.
    """

    grant: Grant | None
    episode: Episode | None


def recorded(
    pid: int,
    held: Held | None,
    files: tuple[DatabaseFile | None, DatabaseFile | None],
    thread: int | None = None,
) -> Recorded | None:
    """Look into a process's trace; None where it is not being recorded, or that may not be read.

    Args:
        pid: The process.
        held: What it holds.
        files: The database and its `-shm`.
        thread: Whose wait is looked for; None for the one that was recorded last.
    """
    path = _segment_of(pid)
    if path is None:
        return None
    with opened_segment(path) as tail:
        if tail is None or not _is_of(tail, pid):
            return None
        return _Reading(tail, files).told(_in_the_way(held), thread)


def _segment_of(pid: int) -> Path | None:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        if b"LOCKSCOPE_TRACE=" not in environment:
            return None
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    for line in maps.splitlines():
        if line.endswith(_SEGMENT):
            # As the process sees it: it may have another root.
            return Path(f"/proc/{pid}/root{line.split(None, 5)[5]}")
    return None


def _is_of(tail: SegmentTail, pid: int) -> bool:
    """Whether a segment is this process's: a child that was just forked maps its parent's."""
    inner = status_of(pid).get("NSpid", str(pid)).split()[-1]
    start = process_start(pid)
    return str(tail.pid) == inner and tail.process_start in (0, start)


class _Reading:
    """One look into a segment."""

    def __init__(
        self, tail: SegmentTail, files: tuple[DatabaseFile | None, DatabaseFile | None]
    ) -> None:
        self._tail = tail
        self._now_ns = time.monotonic_ns()
        candidates = (DATABASE_SLOTS, SHM_SLOTS)
        self._identities = {
            (file.device, file.inode): slots
            for file, slots in zip(files, candidates, strict=True)
            if file is not None
        }
        self._slots: dict[int, tuple[Slot, ...]] = {}

    def told(self, wanted: frozenset[_Mode], thread: int | None) -> Recorded:
        """What the trace tells of some locks, and of the wait of a thread."""
        granted = min(self._grants(wanted), key=lambda record: record.ended_ns, default=None)
        grant = None if granted is None else self._grant(granted)
        return Recorded(grant, self._episode(list(self._since_last_statement(thread))))

    def _since_last_statement(self, thread: int | None) -> Iterator[Record]:
        """What a thread has done since its last statement ended, newest first."""
        for record in self._tail.newest(_TELLING):
            thread = record.thread if thread is None else thread
            if record.thread == thread:
                if record.kind == Kind.STATEMENT:
                    return
                yield record

    def _changed(self, record: Record, wanted: set[_Mode]) -> set[_Mode]:
        """The locks among some whose slot a record granted, gave up or changed."""
        slots = self._touched(record)
        return {lock for lock in wanted if lock[0] in slots}

    def _touched(self, record: Record) -> tuple[Slot, ...]:
        number = record.file
        if number not in self._slots:
            file = self._tail.named(Kind.FILE, number)
            identity = None if file is None else (file.duration_ns, file.start)
            self._slots[number] = self._identities.get(identity, ()) if identity else ()
        candidates = self._slots[number]
        return slots_in(record.start, record.length, candidates) if candidates else ()

    def _grants(self, wanted: frozenset[_Mode]) -> list[Record]:
        """The record that granted each of the locks; those are left out that were changed since,
        by what the trace does not show.
        """
        left = set(wanted)
        found = []
        for record in self._tail.newest(_LOCKS) if left else ():
            if record.error:
                continue
            changed = self._changed(record, left)
            found += [record for _, mode in changed if mode == record.mode & ~BY_DESCRIPTION]
            left -= changed
            if not left:
                break
        return found

    def _episode(self, rows: list[Record]) -> Episode | None:
        """The tries among what a thread has done since its last statement, newest first."""
        denied: list[Record] = []
        for record in rows:
            if record.kind in _LOCKS and record.error in _DENIED and self._touched(record):
                if denied and record.context != denied[0].context:
                    break
                denied.append(record)
        if not denied:
            return None
        last, first = denied[0], denied[-1]
        tries = 1 + sum(
            later.began_ns - earlier.ended_ns >= _SAME_TRY_NS
            for later, earlier in itertools.pairwise(denied)
        )
        latest_ns = max(record.ended_ns for record in rows[: rows.index(last) + 1])
        return Episode(
            self._touched(last),
            LockMode(last.mode & ~BY_DESCRIPTION),
            max(0, self._now_ns - first.began_ns) / 1e9,
            tries,
            tries > 1 and self._now_ns - latest_ns < _FRESH_NS,
            *self._context(last.context),
        )

    def _grant(self, record: Record) -> Grant:
        held_s = max(0, self._now_ns - record.ended_ns) / 1e9
        return Grant(held_s, *self._context(record.context))

    def _context(self, number: int) -> tuple[str | None, str | None]:
        """SQL and `file:line` of a context."""
        record = self._tail.named(Kind.CONTEXT, number) if number else None
        if record is None:
            return None, None
        texts = self._tail.text_at(record.length), self._tail.text_at(record.file)
        return texts[0] or None, texts[1] or None


def _in_the_way(held: Held | None) -> frozenset[_Mode]:
    """Of what a process holds, that which stands in others' way most."""
    if held is None:
        return frozenset()
    exclusive = {lock for lock in held.slots if lock[1] is LockMode.EXCLUSIVE}
    if exclusive:
        return frozenset(exclusive)
    attached = {Slot.SHARED, Slot.WAL_DMS} if held.is_wal else set()
    return frozenset(lock for lock in held.slots if lock[0] not in attached)
