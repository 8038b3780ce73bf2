"""Reading one segment: its header, its finished records, its texts. Nothing in a file is believed
unchecked.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from lockscope.errors import TraceError
from lockscope.trace.kinds import HEADER_BYTES, MAGIC, SEQUENCE_MODULUS, VERSION
from lockscope.trace.model import Records
from lockscope.trace.records import HEADER, RECORD
from lockscope.trace.ring import Overwritten, ring_of, sensible, turned
from lockscope.trace.texts import unescape

__all__ = ["DamagedSegmentError", "Segment", "read_header", "read_segment"]

_LONGEST_TEXT: Final = 1 << 20


class DamagedSegmentError(Exception):
    """A segment of which nothing can be used; the message ends a sentence that begins with its
    name.
    """


@dataclass(frozen=True, slots=True)
class Segment:
    """What one recorder wrote in one process.

    Attributes:
        name: Name of the file.
        pid: The process.
        process_start: Field 22 of `/proc/PID/stat`, 0 unknown.
        recorder: A number of `Recorder`.
        started_ns: When the recorder started.
        lost: Records and texts that it could not keep.
        blind_ns: When it lost the first, 0 never.
        records: The finished records.
        unfinished: Slots between finished records that were handed out and never finished.
        damaged: Slots between finished records that hold something else than a record.
        text: The bytes of the text file.
        turning: What a ring has overwritten; None where nothing was.
    """

    name: str
    pid: int
    process_start: int
    recorder: int
    started_ns: int
    lost: int
    blind_ns: int
    records: Records
    unfinished: int
    damaged: int
    text: bytes
    turning: Overwritten | None = None

    def text_at(self, offset: int) -> str:
        """The text at an offset; empty where none begins there."""
        # A text begins after a newline, or after the room of one that a kill left unwritten;
        # anything else is a damaged offset.
        if not 0 < offset < len(self.text) or self.text[offset - 1] not in b"\n\0":
            return ""
        end = self.text.find(b"\n", offset, offset + _LONGEST_TEXT)
        raw = self.text[offset : end if end >= 0 else offset]
        if b"\\" in raw:
            raw = unescape(raw)
        return raw.decode("utf-8", "backslashreplace")


def read_segment(path: Path) -> Segment:
    """Read one segment.

    Raises:
        DamagedSegmentError: Nothing of it can be used.
        TraceError: A newer lockscope wrote it.
    """
    header = read_header(path)
    # Read, not mapped: a mapping keeps a descriptor, and a trace may have thousands of segments.
    slots = np.fromfile(path, RECORD, offset=HEADER_BYTES)
    # Once more: of a process that goes on recording, the first header may be older than its slots.
    ring = ring_of(read_header(path), len(slots))
    if ring is None:
        (records, unfinished, damaged), turning = _finished(slots), None
    else:
        records, unfinished, damaged, turning = turned(slots, ring)
    return Segment(
        name=path.name,
        pid=int(header["pid"]),
        process_start=int(header["process_start"]),
        recorder=int(header["recorder"]),
        started_ns=int(header["started_ns"]),
        lost=int(header["lost"]),
        blind_ns=int(header["blind_ns"]),
        records=records,
        unfinished=unfinished,
        damaged=damaged,
        text=_text(path.with_suffix(".text")),
        turning=turning,
    )


def _is_plain(path: Path) -> bool:
    """Whether a segment and its texts are files, which a reader need not wait for."""
    text = path.with_suffix(".text")
    return path.is_file() and (text.is_file() or not os.path.lexists(text))


def read_header(path: Path) -> np.void:
    """The header of a segment, as a `HEADER`.

    Raises:
        DamagedSegmentError: Nothing of the segment can be used.
        TraceError: A newer lockscope wrote it.
    """
    if not _is_plain(path):
        raise DamagedSegmentError("is no plain file, or its texts are none")
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
    except OSError as error:
        raise DamagedSegmentError(f"cannot be read ({error.strerror})") from error
    if not head.strip(b"\0"):
        raise DamagedSegmentError("is empty: its process ended, or is still, at its very beginning")
    if not head.startswith(MAGIC):
        raise DamagedSegmentError("is not a segment of a trace")
    if len(head) < HEADER_BYTES:
        raise DamagedSegmentError("is cut off inside its header")
    header: np.void = np.frombuffer(head[: HEADER.itemsize], HEADER)[0]
    if header["version"] > VERSION:
        raise TraceError(
            f"{path} has trace format {header['version']}; this lockscope reads up to {VERSION}. "
            "Read it with the lockscope that recorded it, or a newer one.",
            path=path,
        )
    if header["header_bytes"] != HEADER_BYTES or header["record_bytes"] != RECORD.itemsize:
        raise DamagedSegmentError("has a damaged header")
    return header


def _finished(slots: Records) -> tuple[Records, int, int]:
    """The finished records, how many slots before the last of them are unfinished, and how many are
    damaged.
    """
    sequence = slots["sequence"]
    # Most of a segment's last chunk is untouched: look at no more of it than was handed out.
    written = np.flatnonzero(sequence)
    if not len(written):
        return slots[:0], 0, 0
    count = int(written[-1]) + 1
    expected = (np.arange(count, dtype=np.uint64) % SEQUENCE_MODULUS + 1).astype(np.uint32)
    good = (sequence[:count] == expected) & sensible(slots[:count])
    if good.all():
        return slots[:count], 0, 0
    unfinished = int((sequence[:count] == 0).sum())
    return slots[:count][good], unfinished, count - int(good.sum()) - unfinished


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
