"""Which databases a finished recording saw, for its manifest."""

from pathlib import Path
from typing import Final

from lockscope.capture.mounts import mount_of
from lockscope.trace.kinds import Kind
from lockscope.trace.manifest import DatabaseFile
from lockscope.trace.segment import DamagedSegmentError, Segment, read_segment

__all__ = ["recorded_databases"]

_COMPANIONS: Final = ("-shm", "-wal", "-journal")
_VERSION_OFFSET: Final = 18
"""Where a database file says who may write and read it: 1 is a rollback journal, 2 is WAL
(`fileformat2.html`)."""
_JOURNAL_MODES: Final = {b"\x01\x01": "rollback", b"\x02\x02": "wal"}


def recorded_databases(trace: Path) -> tuple[DatabaseFile, ...]:
    """The databases that the segments of a trace name, each once, with the journal mode of this
    moment.

    The files are opened by this process, which holds no lock on them; never by a traced one, which
    would lose its locks when it closed them.
    """
    found: dict[tuple[int, int], DatabaseFile] = {}
    for path in sorted(trace.glob("*-native.segment")):
        try:
            segment = read_segment(path)
        except DamagedSegmentError:  # its process ended at its very beginning
            continue
        for database in _databases_of(segment):
            found.setdefault((database.device, database.inode), database)
    return tuple(found.values())


def _databases_of(segment: Segment) -> list[DatabaseFile]:
    files = segment.records[segment.records["kind"] == Kind.FILE]
    named = [
        (segment.text_at(int(row["length"])), int(row["duration_ns"]), int(row["start"]))
        for row in files
    ]
    return [
        DatabaseFile(path, device, inode, _journal_mode(Path(path), inode), mount_of(path).kind)
        for path, device, inode in named
        if not path.endswith(_COMPANIONS)
    ]


def _journal_mode(path: Path, inode: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(_VERSION_OFFSET)
            mode = _JOURNAL_MODES.get(file.read(2), "unknown")
        return mode if path.stat().st_ino == inode else "unknown"
    except OSError:
        return "unknown"
