"""Which files the sampler looks for: those that a trace's segments name, or those that were asked
for.

No file is opened but the trace's own: closing a descriptor of a database would drop the locks of
the process that closed it.
"""

import contextlib
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from lockscope.trace.kinds import HEADER_BYTES, RECORD_BYTES, Kind

__all__ = ["AskedFiles", "FileSource", "FoundFile", "TracedFiles"]

_LOCKED: Final = ("", "-shm")
"""What SQLite locks of a database: a `-wal` and a journal never are (`os_unix.c`)."""
_UNLOCKED: Final = ("-wal", "-journal")
_STAT_EVERY_NS: Final = 10_000_000
_LOOK_EVERY_NS: Final = 2_000_000
"""Between two looks at the segments, for each of them: 500 processes are looked at once a
second."""
_SETTLED_NS: Final = 200_000_000
"""The same once a file is known: most programs use one database. All records are looked through
for the few that name a file."""
_NEXT: Final = struct.Struct("<Q")
_NEXT_OFFSET: Final = 48
_FILE: Final = struct.Struct("<QQQIIIIBBHI")
_KIND_OFFSET: Final = 40
_AGAIN: Final = 256
"""Slots before the last that are read again: other threads may not have finished them yet."""
_MOST_BYTES: Final = 1 << 22
"""Bytes of a segment read in one step."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to look for."""

    path: str
    device: int
    inode: int


class FileSource(Protocol):
    """Something that finds files to look for.

    Attributes:
        notes: What people should be told of them; whoever tells it empties the list.
    """

    notes: list[str]

    def found(self) -> list[FoundFile]:
        """Files that were not found before; cheap enough to be asked at every sample."""


class AskedFiles:
    """Databases given by their paths, and the `-shm` beside them.

    A file that appears later, or takes the place of another, is found when it does.

    Args:
        databases: Their paths.
    """

    def __init__(self, databases: tuple[Path, ...]) -> None:
        paths = [os.path.realpath(path) for path in databases]
        self._paths = [path + suffix for path in paths for suffix in _LOCKED]
        self._known: dict[str, tuple[int, int]] = {}
        self._due_ns = 0
        self.notes: list[str] = []

    def found(self) -> list[FoundFile]:
        """Files that appeared, or took the place of another."""
        now = time.monotonic_ns()
        if now < self._due_ns:
            return []
        self._due_ns = now + _STAT_EVERY_NS
        return [file for path in self._paths if (file := self._look(path)) is not None]

    def _look(self, path: str) -> FoundFile | None:
        try:
            status = os.stat(path)  # noqa: PTH116 - no Path for each of a thousand looks a second
        except OSError:
            return None
        identity = (status.st_dev, status.st_ino)
        before = self._known.get(path)
        if identity == before:
            return None
        if before is not None and path in self._paths[:: len(_LOCKED)]:
            self.notes.append(f"{path} was replaced by another file while it was watched.")
        self._known[path] = identity
        return FoundFile(path, *identity)


class TracedFiles:
    """The files that the native recorders of a trace have met, read from their growing segments.

    Args:
        trace: The trace's folder.
    """

    def __init__(self, trace: Path) -> None:
        self._trace = trace
        self._read: dict[str, int] = {}
        self._known: set[FoundFile] = set()
        self._changed_ns = self._due_ns = 0
        self.notes: list[str] = []

    def found(self) -> list[FoundFile]:
        """Files that were met since the last look."""
        now = time.monotonic_ns()
        names = self._new_segments()
        if now >= self._due_ns:
            names = list(self._read)
            settled_ns = _SETTLED_NS if self._known else 0
            self._due_ns = now + max(_LOOK_EVERY_NS * len(names), settled_ns)
        files = []
        for name in names:
            with contextlib.suppress(OSError, ValueError):  # cut off, or taken away
                files += self._files_of(name)
        return files

    def _new_segments(self) -> list[str]:
        try:
            changed_ns = self._trace.stat().st_mtime_ns
            if changed_ns == self._changed_ns:
                return []
            names = os.listdir(self._trace)  # noqa: PTH208 - thousands of names, no Path for each
        except OSError:
            return []
        self._changed_ns = changed_ns
        new = [n for n in names if n.endswith("-native.segment") and n not in self._read]
        # Users that traced programs became may add to the folder: nobody's pipe may stop us.
        new = [n for n in new if (self._trace / n).is_file()]
        self._read.update(dict.fromkeys(new, 0))
        return new

    def _files_of(self, name: str) -> list[FoundFile]:
        path = self._trace / name
        with path.open("rb", buffering=0) as segment:
            header = segment.read(_NEXT_OFFSET + _NEXT.size)
            if len(header) < _NEXT_OFFSET + _NEXT.size:
                return []
            written = _NEXT.unpack_from(header, _NEXT_OFFSET)[0]
            done = self._read[name]
            if written <= done:
                return []
            files = []
            place = max(0, done - _AGAIN)
            while place < written:
                segment.seek(HEADER_BYTES + place * RECORD_BYTES)
                wanted = min(_MOST_BYTES // RECORD_BYTES, written - place)
                slots = segment.read(wanted * RECORD_BYTES)
                files += self._files_in(slots, path)
                place += max(1, len(slots) // RECORD_BYTES)
                if len(slots) < wanted * RECORD_BYTES:
                    break
        self._read[name] = written
        return files

    def _files_in(self, slots: bytes, path: Path) -> list[FoundFile]:
        files = []
        # Every 48th byte is a kind: the search runs at the speed of memory, not of Python.
        kinds = slots[_KIND_OFFSET::RECORD_BYTES]
        at = kinds.find(Kind.FILE)
        while at >= 0:
            record = _FILE.unpack_from(slots, at * RECORD_BYTES)
            device, inode, text, sequence = record[1], record[2], record[3], record[10]
            found = FoundFile(_text_at(path, text), device, inode)
            if sequence and found not in self._known and not found.path.endswith(_UNLOCKED):
                self._known.add(found)
                files.append(found)
            at = kinds.find(Kind.FILE, at + 1)
        return files


def _text_at(segment: Path, offset: int) -> str:
    with segment.with_suffix(".text").open("rb") as texts:
        texts.seek(offset)
        line = texts.readline().removesuffix(b"\n")
    text = line.replace(b"\\n", b"\n").replace(b"\\\\", b"\\")
    return text.decode("utf-8", "surrogateescape")
