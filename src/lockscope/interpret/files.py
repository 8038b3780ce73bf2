"""Which of the files that a trace saw make up which database."""

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.interpret.model import Part
from lockscope.trace.kinds import Kind
from lockscope.trace.model import Records, Trace
from lockscope.trace.rows import parts

__all__ = ["DatabaseFiles", "database_files"]

_COMPANIONS: Final = {"-shm": Part.SHM, "-wal": Part.WAL, "-journal": Part.JOURNAL}
"""What SQLite appends to a database's path (`pager.c`, `wal.c`)."""
_LOCK_BYTES_BEGIN: Final = 0x40000000


@dataclass(frozen=True, slots=True)
class DatabaseFiles:
    """Which of a trace's files make up which database; both arrays are indexed by a record's
    `file`.

    Attributes:
        paths: The databases' paths.
        titles: Their names, as short as they stay distinct.
        database: The database that a file belongs to, -1 for none.
        is_shm: Whether a file is a database's `-shm`.
        part: Which of a database's files a file is, a `Part`.
    """

    paths: tuple[str, ...]
    titles: tuple[str, ...]
    database: NDArray[np.int64]
    is_shm: NDArray[np.bool_]
    part: NDArray[np.uint8]


def database_files(trace: Trace) -> DatabaseFiles:
    """Tell which files make up which database, by SQLite's naming and by where they were locked."""
    bases = [_base(file.path) for file in trace.files]
    main = _locked_as_database(trace.records, len(trace.files))
    paths: dict[str, int] = {}
    identities: dict[tuple[int, int], str] = {}
    for place, file in enumerate(trace.files):
        if main[place] and _suffix(file.path) == "":
            # The same file under two names (a link, a rename) is one database: the kernel locks the
            # inode.
            bases[place] = identities.setdefault((file.device, file.inode), file.path)
    for place, file in enumerate(trace.files):
        if main[place] or _suffix(file.path):
            paths.setdefault(bases[place], len(paths))
    database = np.array(
        [paths.get(base, -1) if place else -1 for place, base in enumerate(bases)], np.int64
    )
    part = np.array([_part(file.path) for file in trace.files], np.uint8)
    return DatabaseFiles(tuple(paths), _titles(tuple(paths)), database, part == Part.SHM, part)


def _part(path: str) -> Part:
    return next((part for suffix, part in _COMPANIONS.items() if path.endswith(suffix)), Part.MAIN)


def _suffix(path: str) -> str:
    return next((suffix for suffix in _COMPANIONS if path.endswith(suffix)), "")


def _base(path: str) -> str:
    return path.removesuffix(_suffix(path))


def _locked_as_database(records: Records, files: int) -> NDArray[np.bool_]:
    """For each file, whether a lock was asked for in SQLite's bytes of a main database file."""
    locked = np.zeros(files, np.bool_)
    for part in parts(len(records)):
        rows = records[part]
        asked = np.isin(rows["kind"], (Kind.LOCK, Kind.LOCK_WAIT, Kind.LOCK_TEST, Kind.SEEN))
        locked[rows["file"][asked & (rows["start"] >= _LOCK_BYTES_BEGIN)]] = True
    return locked


def _titles(paths: tuple[str, ...]) -> tuple[str, ...]:
    names = Counter(PurePath(path).name for path in paths)
    return tuple(PurePath(path).name if names[PurePath(path).name] == 1 else path for path in paths)
