"""A segment that a process is writing at this moment, read from its end and from its beginning.

`trace.reader` reads a whole trace into numpy; this reads a few thousand records of one process in
a few milliseconds, whatever the segment's size, and without numpy, whose import alone would take
longer. `docs/trace-format.md` tells what the fields mean.
"""

import contextlib
import itertools
import os
import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from lockscope.trace.kinds import HEADER_BYTES, MAGIC, RECORD_BYTES, SEQUENCE_MODULUS, VERSION, Kind
from lockscope.trace.texts import unescape

__all__ = ["Record", "SegmentTail", "opened_segment"]

_HEADER: Final = struct.Struct("<8sIIIIQQIIQQQQQQ")
_RECORD: Final = struct.Struct("<QQQIIIIBBHI")
_KIND_AT: Final = 40
_BLOCK: Final = 1 << 13
"""Slots that are read at a time: 384 KB."""
_MOST_BLOCKS: Final = 12
"""Blocks that are looked at from the end, and as many from the beginning: 98,304 records."""
_MOST_RECORDS: Final = 4096
"""That are taken apart, at about 2 us each."""
_LONGEST_TEXT: Final = 1 << 13


class Record(NamedTuple):
    """One record; the fields are those of the format."""

    began_ns: int
    duration_ns: int
    start: int
    length: int
    thread: int
    file: int
    context: int
    kind: int
    mode: int
    error: int
    sequence: int

    @property
    def ended_ns(self) -> int:
        """When the call ended."""
        return self.began_ns + self.duration_ns


class SegmentTail:
    """The records of a segment, newest or oldest first, within bounds.

    Attributes:
        pid: The process, as it numbers itself.
        process_start: Field 22 of its `/proc/PID/stat`, 0 unknown.

    Raises:
        ValueError: It is no segment that this lockscope reads.
    """

    def __init__(self, segment: int, text: int) -> None:
        raw = os.pread(segment, _HEADER.size, 0)
        if len(raw) < _HEADER.size or not raw.startswith(MAGIC):
            raise ValueError("not a segment")
        _, version, header_bytes, record_bytes, pid, _, start, _, _, *rest = _HEADER.unpack(raw)
        if (header_bytes, record_bytes) != (HEADER_BYTES, RECORD_BYTES) or version > VERSION:
            raise ValueError("a segment of another format")
        self.pid, self.process_start = int(pid), int(start)
        self._next, _, _, _, self._ring_first, self._ring_records = rest
        self._segment, self._text = segment, text
        self._blocks: dict[int, bytes] = {}

    def newest(self, kinds: Iterable[Kind]) -> Iterator[Record]:
        """Records of some kinds, from the newest on, as far back as is looked.

        Of a ring that has turned, what lies before it is left out: what came between is gone, and
        an older record would seem to be the last of its kind.
        """
        wanted = re.compile(b"[%s]" % b"".join(b"\\x%02x" % kind for kind in kinds))
        turned = self._next - self._ring_first > self._ring_records > 0
        oldest = self._next - self._ring_records if turned else 0
        left = _MOST_RECORDS
        for block in self._last_blocks():
            places = [found.start() for found in wanted.finditer(self._kinds(block))]
            for place in reversed(places):
                left -= 1
                if left < 0 or block * _BLOCK + place < oldest:
                    return
                yield from self._record(block, place)

    def since(self, place: int) -> list[Record]:
        """All records from a slot on, oldest first, up to one that is not finished."""
        raw = b"".join(self._slots(place, self._next))
        found: list[Record] = []
        for fields in _RECORD.iter_unpack(raw[: len(raw) // RECORD_BYTES * RECORD_BYTES]):
            record = Record._make(fields)
            if record.sequence != (place + len(found)) % SEQUENCE_MODULUS + 1:
                break
            found.append(record)
        return found

    def named(self, kind: Kind, number: int) -> Record | None:
        """The FILE or CONTEXT record that gave a number; None where it is in neither end.

        Such records are rare. Most stand at the segment's beginning, and those of what was opened
        or run just now near its end: the blocks of both ends are looked at in turn.
        """
        first = range(min(_MOST_BLOCKS, (self._next + _BLOCK - 1) // _BLOCK))
        turns = itertools.zip_longest(self._last_blocks(), first)
        for block in dict.fromkeys(block for turn in turns for block in turn if block is not None):
            for found in re.finditer(re.escape(bytes([kind])), self._kinds(block)):
                for record in self._record(block, found.start()):
                    if number == (record.file if kind is Kind.FILE else record.context):
                        return record
        return None

    def text_at(self, offset: int) -> str:
        """The text at an offset; empty where none begins there."""
        raw = os.pread(self._text, _LONGEST_TEXT, max(0, offset - 1))
        if not offset or raw[:1] not in (b"\n", b"\0"):
            return ""
        line, newline, _ = raw[1:].partition(b"\n")
        return unescape(line).decode("utf-8", "backslashreplace") if newline else ""

    def _last_blocks(self) -> range:
        last = (self._next - 1) // _BLOCK
        return range(last, max(-1, last - _MOST_BLOCKS), -1)

    def _kinds(self, block: int) -> bytes:
        return self._block(block)[_KIND_AT::RECORD_BYTES]

    def _block(self, block: int) -> bytes:
        """The slots of a block, as they were handed out; cut off where one is not there."""
        if block not in self._blocks:
            begin, end = block * _BLOCK, min((block + 1) * _BLOCK, self._next)
            self._blocks[block] = b"".join(self._slots(begin, end))
        return self._blocks[block]

    def _slots(self, begin: int, end: int) -> Iterator[bytes]:
        """Bytes of slots that lie together, part by part: a ring turns at its end."""
        while begin < end:
            place, until = begin, end
            if self._ring_records and begin >= self._ring_first:
                turned = (begin - self._ring_first) % self._ring_records
                place = self._ring_first + turned
                until = min(end, begin + self._ring_records - turned)
            elif self._ring_records:
                until = min(end, self._ring_first)
            size = (until - begin) * RECORD_BYTES
            found = os.pread(self._segment, size, HEADER_BYTES + place * RECORD_BYTES)
            yield found
            if len(found) < size:
                return
            begin = until

    def _record(self, block: int, place: int) -> Iterator[Record]:
        """The record at a place; nothing where it is not finished, or is of another turn."""
        record = Record._make(_RECORD.unpack_from(self._block(block), place * RECORD_BYTES))
        if record.sequence == (block * _BLOCK + place) % SEQUENCE_MODULUS + 1:
            yield record


@contextmanager
def opened_segment(path: Path) -> Iterator[SegmentTail | None]:
    """A segment to read; None where there is none, or none that can be read."""
    descriptors: list[int] = []
    tail = None
    try:
        with contextlib.suppress(OSError, ValueError):
            for part in (path, path.with_suffix(".text")):
                flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
                descriptors.append(os.open(part, flags))
            tail = SegmentTail(*descriptors)
        yield tail
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
