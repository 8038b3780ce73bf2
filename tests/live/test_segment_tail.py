"""The end of a segment, read without numpy: the same records as the reader's, within bounds."""

import struct
from pathlib import Path

import pytest

from lockscope.live import segment_tail
from lockscope.live.segment_tail import Record, SegmentTail, opened_segment
from lockscope.trace.kinds import HEADER_BYTES, MAGIC, RECORD_BYTES, Kind, Recorder
from lockscope.trace.segment import read_segment
from lockscope.trace.writer import SegmentWriter

ALL = frozenset(Kind)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_tail, "_BLOCK", 16)


def _written(folder: Path, count: int) -> Path:
    """A segment of sleeps, one statement's name and two of files."""
    with SegmentWriter(folder, Recorder.NATIVE) as writer:
        text = writer.text("SELECT 'a\\b'\nFROM t")
        writer.record(Kind.FILE, began_ns=1, file=1, start=7)
        writer.record(Kind.CONTEXT, began_ns=2, context=1, length=text)
        for number in range(count - 3):
            writer.record(Kind.SLEEP, began_ns=3 + number)
        writer.record(Kind.FILE, began_ns=count, file=2, start=8)
        return writer.path


def _began(tail: SegmentTail, kinds: frozenset[Kind] = ALL) -> list[int]:
    return [record.began_ns for record in tail.newest(kinds)]


@pytest.mark.parametrize("count", [3, 15, 16, 17, 100])
def test_the_newest_come_first_and_none_is_left_out(tmp_path: Path, count: int) -> None:
    path = _written(tmp_path, count)
    with opened_segment(path) as tail:
        assert tail is not None
        seen = list(tail.newest(ALL))
    whole = read_segment(path).records
    assert seen == [Record._make(row.tolist()) for row in whole[::-1]]


def test_of_a_long_segment_the_ends_alone_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_tail, "_MOST_BLOCKS", 2)
    path = _written(tmp_path, 200)
    with opened_segment(path) as tail:
        assert tail is not None
        assert _began(tail) == list(range(200, 176, -1))
        first, last = (tail.named(Kind.FILE, number) for number in (1, 2))
        assert (first and first.start, last and last.start) == (7, 8)
        assert tail.named(Kind.FILE, 3) is None
        context = tail.named(Kind.CONTEXT, 1)
        assert context is not None
        assert tail.text_at(context.length) == "SELECT 'a\\b'\nFROM t"
        assert tail.text_at(context.length + 1) == ""
        assert tail.text_at(0) == ""


def test_no_more_records_are_taken_apart_than_is_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_tail, "_MOST_RECORDS", 20)
    with opened_segment(_written(tmp_path, 100)) as tail:
        assert tail is not None
        assert len(_began(tail)) == 20


def test_a_ring_is_read_in_the_order_it_was_written(tmp_path: Path) -> None:
    first, turning, handed_out = 20, 50, 333
    slots = bytearray((first + turning) * RECORD_BYTES)
    for number in range(handed_out):
        place = number if number < first else first + (number - first) % turning
        row = (number, 0, 0, 0, 1, 0, 0, Kind.SLEEP, 0, 0, number + 1)
        struct.pack_into("<QQQIIIIBBHI", slots, place * RECORD_BYTES, *row)
    head = struct.pack(
        "<8sIIIIQQIIQQQQQQ",
        *(MAGIC, 1, HEADER_BYTES, RECORD_BYTES, 1, 0, 0, 1, 0),
        *(handed_out, 0, 0, 0, first, turning),
    )
    path = tmp_path / "1-1-native.segment"
    path.write_bytes(head.ljust(HEADER_BYTES, b"\0") + slots)
    path.with_suffix(".text").touch()
    with opened_segment(path) as tail:
        assert tail is not None
        assert _began(tail) == [handed_out - 1 - place for place in range(turning)]


def test_an_unfinished_record_is_left_out(tmp_path: Path) -> None:
    path = _written(tmp_path, 20)
    content = bytearray(path.read_bytes())
    place = HEADER_BYTES + 10 * RECORD_BYTES
    content[place + RECORD_BYTES - 4 : place + RECORD_BYTES] = bytes(4)
    path.write_bytes(content)
    with opened_segment(path) as tail:
        assert tail is not None
        assert 10 not in [record.sequence - 1 for record in tail.newest(ALL)]


@pytest.mark.parametrize("content", [b"", MAGIC, MAGIC.ljust(HEADER_BYTES, b"\0"), b"x" * 5000])
def test_what_is_no_segment_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "1-1-native.segment"
    path.write_bytes(content)
    path.with_suffix(".text").touch()
    with opened_segment(path) as tail:
        assert tail is None
    with opened_segment(tmp_path / "absent.segment") as tail:
        assert tail is None
