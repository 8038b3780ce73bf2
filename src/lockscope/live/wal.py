"""The write-ahead log at this moment: how much of it is written back, and who keeps the rest.

From the head of the `-shm` file, the log's index (https://sqlite.org/walformat.html), and from who
holds the READ slots: a reader keeps its snapshot of the log for as long as it holds one.
"""

import os
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from lockscope.live.files import DatabaseFiles, opened
from lockscope.live.holding import Held
from lockscope.live.model import Pin, WalState
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import READ_SLOTS

__all__ = ["read_wal", "size_text"]

_HEAD: Final = struct.Struct("=48s48sI5I")
"""Two copies of the index's header, nBackfill, aReadMark[5]; in the byte order of the machine.
The first mark is always 0: READ0 reads nothing of the log."""
_HEADER: Final = struct.Struct("=I8xB3xI28x")
"""Of one copy: iVersion, isInit, mxFrame."""
_VERSION: Final = 3007000
"""The only version of the index there is (`wal.c`, WALINDEX_MAX_VERSION)."""
_UNUSED: Final = 0xFFFFFFFF
"""A read mark that stands nowhere (`wal.c`, READMARK_NOT_USED)."""
_FRAME_HEADER_BYTES: Final = 24
"""https://sqlite.org/fileformat.html#the_write_ahead_log"""
_MOST_READS: Final = 100
"""A commit writes the two copies within a microsecond: when they go on differing, the writer died
between them."""


class _Index(NamedTuple):
    """What the index says: committed frames, frames written back, and the five read marks."""

    frames: int
    checkpointed: int
    marks: tuple[int, ...]


def read_wal(files: DatabaseFiles, held: Sequence[Held]) -> WalState | None:
    """Read the state of the log, and who pins it.

    A checkpoint stops at the oldest read mark in use, and writes nothing while somebody reads the
    database file alone (READ0). A writer begins the log anew only when all of it is written back
    and nobody holds READ1 to READ4 (`wal.c`, walCheckpoint and walRestartLog).

    Not for a process that has the database open: see `files.opened`.

    Args:
        files: The database.
        held: Who holds what of it.

    Returns:
        None in a rollback mode, and where there is no log, or its index is absent, cannot be read,
        or is torn or not yet built.
    """
    if not files.is_wal or files.wal is None or files.shm is None:
        return None
    index = _read_index(files.shm.path)
    if index is None:
        return None
    pins = _pins(index, files.page_bytes, held)
    return WalState(
        frames=index.frames,
        checkpointed=index.checkpointed,
        page_bytes=files.page_bytes,
        file_bytes=files.wal.size,
        pins=pins,
        sentence=_sentence(index, files.page_bytes, pins),
    )


def size_text(size: int) -> str:
    """Bytes as people read them, in powers of ten."""
    if size < 1000:
        return f"{size} bytes"
    power = min(4, (len(str(size)) - 1) // 3)
    amount = size / 1000**power
    return f"{amount:,.{1 if amount < 10 else 0}f} {'?kMGT'[power]}B"


def _read_index(path: str) -> _Index | None:
    try:
        with opened(path) as descriptor:
            for _ in range(_MOST_READS):
                head = os.pread(descriptor, _HEAD.size, 0)
                if len(head) < _HEAD.size:
                    return None
                first, second, checkpointed, *marks = _HEAD.unpack(head)
                if first == second:
                    return _index(first, checkpointed, marks)
    except OSError:
        return None
    return None


def _index(header: bytes, checkpointed: int, marks: list[int]) -> _Index | None:
    version, is_built, frames = _HEADER.unpack(header)
    if version != _VERSION or not is_built:
        return None
    # The log may have begun anew between the two parts of one read.
    return _Index(frames, min(checkpointed, frames), tuple(marks))


def _pins(index: _Index, page_bytes: int, held: Sequence[Held]) -> tuple[Pin, ...]:
    """Who reads which snapshot, the oldest first."""
    found = []
    for number, (slot, mark) in enumerate(zip(READ_SLOTS, index.marks, strict=True)):
        pids = tuple(one.pid for one in held if one.has(slot, LockMode.SHARED))
        if not pids or mark == _UNUSED:
            continue
        frame = min(mark, index.frames) if number else index.checkpointed
        behind = index.frames - frame
        found.append(Pin(number, pids, frame, behind, _log_bytes(behind, page_bytes)))
    return tuple(sorted(found, key=lambda pin: (pin.frame, pin.slot)))


def _log_bytes(frames: int, page_bytes: int) -> int:
    return frames * (page_bytes + _FRAME_HEADER_BYTES)


def _sentence(index: _Index, page_bytes: int, pins: tuple[Pin, ...]) -> str:
    if not index.frames:
        return "The log is empty."
    noun = "frame" if index.frames == 1 else "frames"
    size = f"{index.frames:,} {noun} ({size_text(_log_bytes(index.frames, page_bytes))})"
    done = f"The log holds {size}, {index.checkpointed:,} of them written back"
    in_the_way = [pin for pin in pins if pin.frame < index.frames]
    if in_the_way:
        return f"{done}: {_keeping(in_the_way[0], 'the rest from being checkpointed')}."
    if index.checkpointed < index.frames:
        return f"{done}; nobody keeps the rest from being checkpointed."
    at_the_end = [pin for pin in pins if pin.slot]
    if at_the_end:
        told = _keeping(at_the_end[0], "the log from beginning anew")
        return f"The log's {size} are all written back: {told}."
    return f"The log's {size} are all written back; the next write begins it anew."


def _keeping(pin: Pin, what: str) -> str:
    """Who reads what, and what that keeps from happening."""
    *others, last = (str(pid) for pid in pin.pids)
    who = f"pids {', '.join(others)} and {last}" if others else f"pid {last}"
    s = "" if others else "s"
    where = f"the snapshot at frame {pin.frame:,}" if pin.slot else "the file as it was before"
    return f"{who} read{s} {where} and keep{s} {what}"
