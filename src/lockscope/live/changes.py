"""What a sampler writes, read while it writes: the changes since the last look."""

from pathlib import Path
from typing import Final, NamedTuple

from lockscope.live.lanes import Change
from lockscope.live.segment_tail import Record, SegmentTail, opened_segment
from lockscope.locks.modes import LockMode
from lockscope.trace.kinds import RECORD_BYTES, Kind

__all__ = ["ChangeReader", "News"]

_SHM: Final = "-shm"
_LOST: Final = "The temporary folder of the recording is gone: lanes stand still from here on."


class News(NamedTuple):
    """What came since the last look.

    Attributes:
        changes: Locks that came and went, by time.
        commands: Command lines of holders that were met, by pid.
        notes: What the sampler has to say, a sentence each.
        samples_per_s: How often it has sampled lately; None where it has not said so since.
    """

    changes: tuple[Change, ...]
    commands: dict[int, str]
    notes: tuple[str, ...]
    samples_per_s: float | None = None


class ChangeReader:
    """Reads on in the segment of a trace's sampler, which only grows.

    Args:
        trace: The trace's folder, in which a sampler writes.
    """

    def __init__(self, trace: Path) -> None:
        self._path = next(trace.glob("*-sampler.segment"))
        self._next = 0
        self._files: dict[int, str] = {}

    @property
    def read_bytes(self) -> int:
        """How much of the segment has been read."""
        return self._next * RECORD_BYTES

    def read(self) -> News:
        """What was written since the last call."""
        changes: list[Change] = []
        commands: dict[int, str] = {}
        notes: list[str] = []
        samples_per_s = None
        with opened_segment(self._path) as tail:
            if tail is None:  # somebody tidied up
                return News((), {}, (_LOST,))
            records = tail.since(self._next)
            self._next += len(records)
            for record in records:
                if record.kind == Kind.SEEN:
                    changes.append(self._change(record))
                elif record.kind == Kind.SAMPLES:
                    samples_per_s = _rate(record)
                else:
                    self._hear(record, tail, commands, notes)
        return News(tuple(changes), commands, tuple(notes), samples_per_s)

    def _hear(
        self, record: Record, tail: SegmentTail, commands: dict[int, str], notes: list[str]
    ) -> None:
        if record.kind == Kind.FILE:
            self._files[record.file] = tail.text_at(record.length)
        elif record.kind == Kind.HOLDER:
            commands[record.start & 0xFFFFFFFF] = tail.text_at(record.length)
        elif record.kind == Kind.NOTE:
            notes.append(tail.text_at(record.length))

    def _change(self, record: Record) -> Change:
        path = self._files.get(record.file, "")
        return Change(
            at_ns=record.ended_ns,
            database=path.removesuffix(_SHM),
            is_shm=path.endswith(_SHM),
            pid=record.context,
            start=record.start,
            length=record.length,
            mode=LockMode(record.mode or record.error),
            came=bool(record.mode),
        )


def _rate(record: Record) -> float | None:
    """Samples a second; between the first and the last of them is one pause less."""
    pauses = record.start - 1
    return pauses / record.duration_ns * 1e9 if pauses > 0 and record.duration_ns else None
