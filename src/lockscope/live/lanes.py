"""Lanes: what each process held of each database in the last minute. Pure.

A lane is a step function of time: at each moment it has one mark, that of the strongest lock which
the process then held. It is made from the changes that a sampler wrote, and nothing else, so that a
screen drawn from lanes and a report of the same trace cannot differ.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import DATABASE_SLOTS, READ_SLOTS, SHM_SLOTS, Slot, slots_in

__all__ = ["WINDOW_NS", "Cell", "Change", "History", "Lane", "Mark", "mark_of"]

WINDOW_NS: Final = 60_000_000_000
"""How far back lanes go."""
_WHOLE: Final = 0.9
"""The part of its time that a mark must fill to be called whole."""


class Mark(IntEnum):
    """What a lane says of one moment; the higher, the more it is in the way of others."""

    ABSENT = 0
    NOTHING = 1
    OPEN = 2
    WAIT = 3
    READ = 4
    CHECKPOINT = 5
    WRITE = 6
    PENDING = 7
    EXCLUSIVE = 8


_EXCLUSIVE: Final = {
    Slot.PENDING: Mark.PENDING,
    Slot.RESERVED: Mark.WRITE,
    Slot.SHARED: Mark.EXCLUSIVE,
    Slot.WAL_WRITE: Mark.WRITE,
    Slot.WAL_CKPT: Mark.CHECKPOINT,
    Slot.WAL_RECOVER: Mark.EXCLUSIVE,
    Slot.WAL_READ0: Mark.CHECKPOINT,
    Slot.WAL_DMS: Mark.EXCLUSIVE,
}
"""The others are a reader's that sets its mark."""
_READS: Final = frozenset({Slot.PENDING, Slot.SHARED, *READ_SLOTS})
_ATTACHED: Final = (Slot.WAL_DMS, LockMode.SHARED)


@dataclass(frozen=True, slots=True)
class Change:
    """A lock that came or went between two samples.

    Attributes:
        at_ns: When the sample that says so ended.
        database: Path of the database.
        is_shm: Whether the lock is on its `-shm`.
        pid: The holder; 0 where the kernel names none.
        start: First byte.
        length: Bytes, 0 to the end of the file.
        mode: Shared or exclusive.
        came: Whether it came; else it went.
    """

    at_ns: int
    database: str
    is_shm: bool
    pid: int
    start: int
    length: int
    mode: LockMode
    came: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """What a lane says of one part of the minute: its strongest mark, and whether that lasted
    throughout.
    """

    mark: Mark
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """One process on one database.

    Attributes:
        database: Path of the database.
        pid: The process; 0 for those that the kernel does not name.
        steps: From when on it had which mark, ascending; nothing is known before the first.
        since_ns: Since when it was seen to hold something in every sample; None where it holds
            nothing, or no more than everybody who has the database open.
        waits_since_ns: Since when it was seen to wait; None where it does not.
    """

    database: str
    pid: int
    steps: tuple[tuple[int, Mark], ...]
    since_ns: int | None = None
    waits_since_ns: int | None = None

    @property
    def mark(self) -> Mark:
        """What it holds now."""
        return self.steps[-1][1]

    def cells(self, now_ns: int, count: int) -> tuple[Cell, ...]:
        """The last minute in parts of one length; in the last of them is now.

        The parts begin at multiples of their length, so that a mark stays in its part until that
        has moved out: a screen that is drawn again changes in its last column alone.
        """
        if count < 1:
            return ()
        part_ns = WINDOW_NS // count
        last = now_ns // part_ns
        parts = [_Part() for _ in range(count)]
        ends = [at_ns for at_ns, _ in self.steps[1:]] + [now_ns]
        for (began_ns, mark), ended_ns in zip(self.steps, ends, strict=True):
            for number in range(
                max(last - count + 1, began_ns // part_ns), min(last, ended_ns // part_ns) + 1
            ):
                began = max(began_ns, number * part_ns)
                ended = min(ended_ns, (number + 1) * part_ns)
                parts[number - last + count - 1].add(mark, ended - began)
        lengths = [part_ns] * (count - 1) + [now_ns - last * part_ns]
        return tuple(part.cell(length) for part, length in zip(parts, lengths, strict=True))


@dataclass(slots=True)
class _Part:
    mark: Mark = Mark.ABSENT
    filled_ns: int = 0

    def add(self, mark: Mark, length_ns: int) -> None:
        if mark > self.mark:
            self.mark, self.filled_ns = mark, length_ns
        elif mark is self.mark:
            self.filled_ns += length_ns

    def cell(self, length_ns: int) -> Cell:
        return Cell(self.mark, self.filled_ns >= length_ns * _WHOLE)


def mark_of(held: Iterable[tuple[Slot, LockMode]]) -> Mark:
    """The strongest of what one process holds of one database.

    Whoever holds DMS is attached to a log: its SHARED says no more than that the database is open.
    """
    slots = set(held)
    return max((_mark(*one, is_wal=_ATTACHED in slots) for one in slots), default=Mark.NOTHING)


def _mark(slot: Slot, mode: LockMode, *, is_wal: bool) -> Mark:
    if mode is LockMode.EXCLUSIVE:
        return _EXCLUSIVE.get(slot, Mark.READ)
    if slot in _READS and not (slot is Slot.SHARED and is_wal):
        return Mark.READ
    return Mark.OPEN


_Line = tuple[bool, int, int, LockMode]
"""Whether on the `-shm`, first byte, bytes, mode."""


@dataclass(slots=True)
class _Track:
    """A lane in the making."""

    lines: set[_Line] = field(default_factory=set)
    steps: deque[tuple[int, Mark]] = field(default_factory=deque)
    since_ns: int | None = None
    is_open: bool = False
    waits_since_ns: int | None = None

    def update(self, at_ns: int, mark: Mark | None = None) -> None:
        now = self._mark() if mark is None else mark
        if not self.steps or self.steps[-1][1] is not now:
            self.steps.append((at_ns, now))
        if now < Mark.READ:
            self.since_ns = None
        elif self.since_ns is None:
            self.since_ns = at_ns

    def _mark(self) -> Mark:
        held = (
            (slot, mode)
            for is_shm, start, length, mode in self.lines
            for slot in slots_in(start, length, SHM_SLOTS if is_shm else DATABASE_SLOTS)
        )
        beside = Mark.OPEN if self.is_open else Mark.NOTHING
        return max(mark_of(held), beside if self.waits_since_ns is None else Mark.WAIT)

    def forget(self, before_ns: int) -> None:
        """Keep the step that reaches into the window, and what came after it."""
        while len(self.steps) > 1 and self.steps[1][0] <= before_ns:
            self.steps.popleft()

    def is_over(self, before_ns: int) -> bool:
        at_ns, mark = self.steps[-1]
        return mark <= Mark.NOTHING and at_ns <= before_ns


class History:
    """The lanes of several databases, as changes come in; in the order in which they began."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, int], _Track] = {}

    def take(self, changes: Iterable[Change]) -> None:
        """Take in changes, by time; those of one moment count together."""
        touched: dict[tuple[int, str, int], _Track] = {}
        moment_ns = -1
        for change in changes:
            if change.at_ns != moment_ns:
                _settle(touched)
                moment_ns = change.at_ns
            track = self._tracks.setdefault((change.database, change.pid), _Track())
            line = (change.is_shm, change.start, change.length, change.mode)
            (track.lines.add if change.came else track.lines.discard)(line)
            touched[change.at_ns, change.database, change.pid] = track
        _settle(touched)

    def see(
        self, at_ns: int, database: str, opened: Iterable[int], waiting: Iterable[int] = ()
    ) -> None:
        """Say who has a database open now, and who waits for it; nobody else does."""
        seen, waits = set(opened), set(waiting)
        for pid in seen | waits:
            self._tracks.setdefault((database, pid), _Track())
        for (path, pid), track in self._tracks.items():
            if path != database or (track.steps and track.steps[-1][1] is Mark.ABSENT):
                continue
            track.is_open = pid in seen
            waits_since_ns = at_ns if track.waits_since_ns is None else track.waits_since_ns
            track.waits_since_ns = waits_since_ns if pid in waits else None
            track.update(at_ns)

    def end(self, at_ns: int, pids: Iterable[int]) -> None:
        """Say which processes have ended."""
        gone = set(pids)
        for (_, pid), track in self._tracks.items():
            if pid in gone and track.steps[-1][1] is not Mark.ABSENT:
                track.lines.clear()
                track.is_open, track.waits_since_ns = False, None
                track.update(at_ns, Mark.ABSENT)

    def restart(self, at_ns: int) -> None:
        """Forget what is held: the sampler begins anew and tells everything once more."""
        for track in self._tracks.values():
            if track.lines:
                track.lines.clear()
                track.update(at_ns)

    def lanes(self, now_ns: int) -> tuple[Lane, ...]:
        """The lanes of the last minute; what is older is forgotten."""
        before_ns = now_ns - WINDOW_NS
        for key, track in list(self._tracks.items()):
            track.forget(before_ns)
            if track.is_over(before_ns):
                del self._tracks[key]
        return tuple(
            Lane(database, pid, tuple(track.steps), track.since_ns, track.waits_since_ns)
            for (database, pid), track in self._tracks.items()
        )


def _settle(touched: dict[tuple[int, str, int], _Track]) -> None:
    # Only now: a lock that moved is one that went and one that came, with nothing in between.
    for (at_ns, _, _), track in touched.items():
        track.update(at_ns)
    touched.clear()
