"""Sightings: what the sampler saw, as locks of processes on named resources."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from lockscope.interpret.files import DatabaseFiles
from lockscope.locks.sqlite import DATABASE_SLOTS, SHM_SLOTS, Slot, slots_in
from lockscope.trace.kinds import Kind, Mode
from lockscope.trace.model import Trace

__all__ = ["Holder", "Sighting", "find_holders", "find_sightings"]

Line = tuple[int, int, int]
"""First byte, bytes and mode of a lock."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A lock that was seen in one sample, or in several in a row.

    Attributes:
        pid: The holder, 0 where the kernel names none.
        resource: What it held.
        mode: In which mode.
        came: Between which two times it appeared: the last sample that did not show it began, and
            the first that did ended.
        went: Likewise it vanished: the last that showed it began, the next ended.
        ended: Whether it was seen to vanish; else sampling ended first.
    """

    pid: int
    resource: int
    mode: int
    came: tuple[int, int]
    went: tuple[int, int]
    ended: bool = True


@dataclass(frozen=True, slots=True)
class Holder:
    """Who had a pid when the sampler looked at it; see HOLDER in `docs/trace-format.md`."""

    pid: int
    inner_pid: int
    start: int
    at_ns: int
    command: str
    folder: str
    user: int | None
    state: int = 0


def find_holders(trace: Trace) -> list[Holder]:
    """The holders that the sampler described, by time."""
    return [
        Holder(
            pid=int(row["start"]) & 0xFFFFFFFF,
            inner_pid=int(row["start"]) >> 32,
            start=int(row["duration_ns"]),
            at_ns=int(row["began_ns"]),
            command=trace.texts[int(row["length"])],
            folder=trace.texts[int(row["file"])],
            user=int(row["context"]) - 1 if row["context"] else None,
            state=int(row["mode"]),
        )
        for row in trace.of_kind(Kind.HOLDER)
    ]


def find_sightings(trace: Trace, files: DatabaseFiles, ended_ns: int) -> list[Sighting]:
    """The sightings, in the order in which they ended.

    The kernel joins neighbouring ranges of one holder into one line, so a line may come and go
    while the locks in it stay: what counts is which resources the lines touch.

    Args:
        trace: The trace.
        files: Which of its files make up which database.
        ended_ns: When sampling ended.
    """
    state = _State(files)
    found: list[Sighting] = []
    for between, changes in _changes(trace, files):
        found += state.change(between, changes)
    found += state.rest(ended_ns)
    return found


Change = tuple[int, int, Line, bool]
"""Holder, file, line, and whether it came or went."""


def _changes(
    trace: Trace, files: DatabaseFiles
) -> Iterator[tuple[tuple[int, int], list[tuple[Change, int]]]]:
    """The changes that each sample showed, with its times."""
    rows = trace.of_kind(Kind.SEEN)
    rows = rows[files.database[rows["file"]] >= 0]
    ended = rows["began_ns"] + rows["duration_ns"]
    order = np.argsort(ended, kind="stable")
    names = ("context", "file", "start", "length", "mode", "error", "began_ns")
    columns = [rows[name][order].tolist() for name in names]
    entries = zip(ended[order].tolist(), *columns, strict=True)
    for end, group in groupby(entries, key=lambda entry: entry[0]):
        changes = []
        began = 0
        for _, pid, file, start, length, mode, was, since in group:
            line = (start, length, mode or was)
            changes.append(((pid, file, line, bool(mode)), since))
            began = max(began, since)
        yield (began, end), changes


class _State:
    """Which resources each holder held in the latest sample."""

    def __init__(self, files: DatabaseFiles) -> None:
        self._files = files
        self._lines: dict[tuple[int, int], set[Line]] = {}
        self._modes: dict[tuple[int, int], dict[Slot, int]] = {}
        self._came: dict[tuple[int, int, Slot], tuple[int, int]] = {}

    def change(
        self, between: tuple[int, int], changes: list[tuple[Change, int]]
    ) -> Iterator[Sighting]:
        """Take in the changes of one sample; gives the sightings that ended with it."""
        since: dict[tuple[int, int], int] = {}
        # Two lines that the sampler saw overlap (a list read twice) must not take each other away.
        for (pid, file, line, came), began in sorted(changes, key=lambda entry: entry[0][3]):
            lines = self._lines.setdefault((pid, file), set())
            (lines.add if came else lines.discard)(line)
            since[pid, file] = began
        for (pid, file), began in since.items():
            yield from self._update(pid, file, (began, between[1]))

    def _update(self, pid: int, file: int, between: tuple[int, int]) -> Iterator[Sighting]:
        before = self._modes.get((pid, file), {})
        after = self._slots(file, self._lines[pid, file])
        self._modes[pid, file] = after
        for slot in before.keys() | after.keys():
            if before.get(slot) == after.get(slot):
                continue
            if slot in before:
                yield self._sighting((pid, file, slot), before[slot], between)
            if slot in after:
                self._came[pid, file, slot] = between

    def _sighting(
        self, key: tuple[int, int, Slot], mode: int, went: tuple[int, int], *, ended: bool = True
    ) -> Sighting:
        pid, file, slot = key
        resource = int(self._files.database[file]) * len(Slot) + slot
        return Sighting(pid, resource, mode, self._came[key], went, ended)

    def _slots(self, file: int, lines: set[Line]) -> dict[Slot, int]:
        candidates = SHM_SLOTS if self._files.is_shm[file] else DATABASE_SLOTS
        modes: dict[Slot, int] = {}
        for start, length, mode in lines:
            for slot in slots_in(start, length, candidates):
                modes[slot] = max(mode, modes.get(slot, Mode.UNLOCK))
        return modes

    def rest(self, ended_ns: int) -> Iterator[Sighting]:
        """The sightings that lasted when sampling ended."""
        for (pid, file), modes in self._modes.items():
            for slot, mode in modes.items():
                went = (ended_ns, ended_ns)
                yield self._sighting((pid, file, slot), mode, went, ended=False)
