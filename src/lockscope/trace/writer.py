"""The writer of a segment, for recorders in Python; the native recorder does the same in C.

Standard library only: a worker of the lab imports it before anything else.
"""

import contextlib
import mmap
import os
import struct
import threading
import time
from pathlib import Path
from typing import Final, Self

from lockscope.trace.kinds import (
    HEADER_BYTES,
    MAGIC,
    RECORD_BYTES,
    SEQUENCE_MODULUS,
    TEXT_HEAD,
    VERSION,
    Kind,
    Recorder,
)

__all__ = ["SegmentWriter", "escape_text", "process_start"]

_HEAD: Final = struct.Struct("<8sIIIIQQII")
_COUNTERS: Final = struct.Struct("<QQQQ")  # next, text_used, lost, blind_ns
_FIELDS: Final = struct.Struct("<QQQIIIIBBH")
_SEQUENCE: Final = struct.Struct("<I")
_CHUNK_RECORDS: Final = 1024
_U32: Final = 0xFFFFFFFF


def process_start(pid: int) -> int:
    """Field 22 of `/proc/PID/stat`: clock ticks from boot to the start of the process, 0 where
    unknown.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    # The command in field 2 may itself hold spaces and parentheses: count fields from its last ")".
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def escape_text(text: str) -> bytes:
    """One line of a text file: backslash and newline escaped, undecodable bytes given back as they
    were.
    """
    return (
        text.encode("utf-8", "surrogateescape").replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
        + b"\n"
    )


class SegmentWriter:
    """One append-only segment of this process, and the text file beside it.

    A record counts once its sequence number, written last, is there, so whatever was recorded
    before a `kill -9` is kept. A disk that is full never raises into the caller: the record is
    counted as lost.

    Args:
        folder: The trace's folder, which must exist.
        recorder: Who writes.
    """

    def __init__(self, folder: Path, recorder: Recorder) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._next = self._capacity = self._lost = self._blind_ns = 0
        self._texts: dict[str, int] = {}
        started_ns = time.monotonic_ns()
        stem = f"{self._pid}-{started_ns}-{recorder.name.lower()}"
        self.path = folder / f"{stem}.segment"
        self._text = os.open(
            folder / f"{stem}.text", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._text_used = os.write(self._text, TEXT_HEAD)
        self._map = self._grow()
        start = process_start(self._pid)
        _HEAD.pack_into(
            self._map,
            0,
            MAGIC,
            VERSION,
            HEADER_BYTES,
            RECORD_BYTES,
            self._pid,
            started_ns,
            start,
            recorder,
            0,
        )
        self._count()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def text(self, text: str) -> int:
        """Keep a text and return its offset, which records point to; 0 for an empty or an unkept
        one.
        """
        if not text:
            return 0
        with self._lock:
            known = self._texts.get(text)
            return self._append_text(text) if known is None else known

    def record(
        self,
        kind: Kind,
        *,
        began_ns: int,
        duration_ns: int = 0,
        start: int = 0,
        length: int = 0,
        file: int = 0,
        context: int = 0,
        mode: int = 0,
        error: int = 0,
    ) -> None:
        """Keep one record; what each field means for each kind is told in
        `docs/trace-format.md`.
        """
        if (
            os.getpid() != self._pid
        ):  # a forked child shares the mapping and would write over its parent
            return
        with self._lock:
            if self._next == self._capacity and not self._make_room():
                return
            offset = HEADER_BYTES + self._next * RECORD_BYTES
            thread = threading.get_native_id()
            _FIELDS.pack_into(
                self._map,
                offset,
                began_ns,
                duration_ns,
                start,
                min(length, _U32),
                thread,
                file,
                context,
                kind,
                mode,
                error,
            )
            sequence = self._next % SEQUENCE_MODULUS + 1
            _SEQUENCE.pack_into(self._map, offset + _FIELDS.size, sequence)
            self._next += 1
            self._count()

    def close(self) -> None:
        """Give the mapping and the descriptors back; what was written stays."""
        with self._lock:
            self._map.close()
            os.close(self._file)
            os.close(self._text)

    def _append_text(self, text: str) -> int:
        line = escape_text(text)
        offset = self._text_used
        try:
            written = os.pwrite(self._text, line, offset)
        except OSError:
            written = 0
        if written < len(line):
            self._lose()
            return 0
        self._text_used = offset + written
        self._texts[text] = offset
        self._count()
        return offset

    def _make_room(self) -> bool:
        try:
            grown = self._grow()
        except OSError:
            self._lose()
            return False
        self._map.close()
        self._map = grown
        return True

    def _grow(self) -> mmap.mmap:
        capacity = self._capacity + _CHUNK_RECORDS
        size = HEADER_BYTES + capacity * RECORD_BYTES
        # A hole in the file would be a SIGBUS at the first store once the disk is full.
        with contextlib.suppress(AttributeError):  # macOS has no posix_fallocate
            os.posix_fallocate(self._file, 0, size)
        if os.fstat(self._file).st_size < size:
            os.ftruncate(self._file, size)
        grown = mmap.mmap(self._file, size)
        self._capacity = capacity
        return grown

    def _lose(self) -> None:
        self._lost += 1
        self._blind_ns = self._blind_ns or time.monotonic_ns()
        self._count()

    def _count(self) -> None:
        _COUNTERS.pack_into(
            self._map, _HEAD.size, self._next, self._text_used, self._lost, self._blind_ns
        )
