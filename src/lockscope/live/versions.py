"""Which SQLite a process uses, and which of its locking bugs are known."""

import functools
import mmap
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["KNOWN_BUGS", "Bug", "Library", "known_bugs", "libraries"]

_SOURCE_ID: Final = re.compile(rb"(20\d\d)-\d\d-\d\d \d\d:\d\d:\d\d [0-9a-f]{36}")
"""SQLITE_SOURCE_ID, which no SQLite is without: https://sqlite.org/c3ref/c_source_id.html. A
distributor that changed something replaces the end of its hash."""
_VERSION: Final = re.compile(
    rb"(?<![0-9A-Za-z.\-_/ ])(3\.(?:[6-9]|[1-9]\d)\.\d{1,2}(?:\.[1-9])?)(?=\0)"
)
"""`sqlite3_version[]`; other libraries' versions that stand as freely (OpenSSL's, 3.0 to 3.5) are
older than any SQLite in use, and a fourth part of 0 is a wrapper's own."""
_LATER_YEAR: Final = 2019
_LATER_MINOR: Final = 26
"""SQLite 3.26 is of December 2018 (https://sqlite.org/changes.html). Without this the version of a
Python, 3.11.9, would be taken for that of the SQLite which is linked into it."""
_LARGEST: Final = 1 << 30
_DELETED: Final = " (deleted)"

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug of SQLite that shows only when a database is shared.

    Attributes:
        affected: First and last version of each range.
        wal_only: Whether only databases in WAL mode can meet it.
        sentence: What happens.
        fixed: The versions to change to.
        source: Where that is written.
    """

    affected: tuple[tuple[Version, Version], ...]
    wal_only: bool
    sentence: str
    fixed: str
    source: str


KNOWN_BUGS: Final = (
    Bug(
        (((3, 7, 0), (3, 44, 5)), ((3, 45, 0), (3, 50, 6)), ((3, 51, 0), (3, 51, 2))),
        wal_only=True,
        sentence=(
            "a checkpoint that races with a commit which begins the log anew can, very rarely, "
            "lose what was committed and damage the database"
        ),
        fixed="3.51.3 (or 3.50.7, 3.44.6)",
        source="https://sqlite.org/wal.html#walresetbug",
    ),
    Bug(
        (((3, 51, 0), (3, 51, 1)),),
        wal_only=False,
        sentence="threads can deadlock in the check for locks that a close took away",
        fixed="3.51.2",
        source="https://sqlite.org/releaselog/3_51_2.html",
    ),
    Bug(
        (((3, 7, 0), (3, 32, 3)),),
        wal_only=True,
        sentence=(
            "when a writer dies and leaves the log's index inconsistent, others get "
            "SQLITE_PROTOCOL for as long as anybody reads"
        ),
        fixed="3.33.0",
        source="https://sqlite.org/releaselog/3_33_0.html",
    ),
    Bug(
        (((3, 7, 0), (3, 7, 6, 2)),),
        wal_only=True,
        sentence="a transaction may be rolled back silently with a very small page cache",
        fixed="3.7.6.3",
        source="https://sqlite.org/releaselog/3_7_6_3.html",
    ),
    Bug(
        (((3, 7, 0), (3, 7, 4)),),
        wal_only=True,
        sentence="changing into and out of WAL mode often, with VACUUM, can damage the database",
        fixed="3.7.5",
        source="https://sqlite.org/releaselog/3_7_5.html",
    ),
)
"""From https://sqlite.org/changes.html and https://sqlite.org/wal.html, as of SQLite 3.53.4. A
distributor may have mended a version without changing its number."""


@dataclass(frozen=True, slots=True)
class Library:
    """A mapped file that has SQLite in it.

    Attributes:
        path: As its process names it.
        version: Empty where it cannot be told.
    """

    path: str
    version: str


def known_bugs(version: str, *, is_wal: bool) -> tuple[Bug, ...]:
    """The known bugs of a version that a database in this journal mode can meet."""
    number = tuple(int(part) for part in version.split("."))
    return tuple(
        bug
        for bug in KNOWN_BUGS
        if (is_wal or not bug.wal_only)
        and any(first <= number[: len(last)] <= last for first, last in bug.affected)
    )


def libraries(pid: int) -> tuple[Library, ...] | None:
    """The copies of SQLite in a process: its own, or shared libraries.

    What is called after SQLite, and the program itself, is looked into first, everything else only
    where that is in vain.

    Returns:
        None where the process may not be looked into.
    """
    try:
        maps = os.fsdecode(Path(f"/proc/{pid}/maps").read_bytes()).splitlines()
        program = os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - no pathlib for /proc
    except OSError:
        return None
    mapped = _code(maps)
    likely = [path for path in mapped if path == program or _is_named(path)]
    for paths in (likely, [path for path in mapped if path not in likely]):
        found = (_library(pid, path, mapped[path], program) for path in paths)
        if there := tuple(library for library in found if library is not None):
            return there
    return ()


def _is_named(path: str) -> bool:
    return "sqlite" in path.rsplit("/", 1)[-1].lower() or "/apsw/" in path


def _code(maps: list[str]) -> dict[str, int]:
    """Files of which code is mapped, and their inodes (`proc_pid_maps(5)`)."""
    found = {}
    for line in maps:
        fields = line.split(None, 5)
        if len(fields) == 6 and "x" in fields[1] and fields[5].startswith("/"):
            found[fields[5]] = int(fields[4])
    return found


def _library(pid: int, path: str, inode: int, program: str) -> Library | None:
    """The SQLite in a mapped file; None where it has none.

    The file is reached through the process's own root, for programs in containers.
    """
    place = f"/proc/{pid}/exe" if path == program else f"/proc/{pid}/root{path}"
    try:
        status = os.stat(place)  # noqa: PTH116
    except OSError:
        status = None
    if status is None or status.st_ino != inode:
        # An update replaced the file: what lies at the path is not what runs.
        return Library(path, "") if _is_named(path.removesuffix(_DELETED)) else None
    version = _version(
        _File(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, place)
    )
    return None if version is None else Library(path, version)


@dataclass(frozen=True, slots=True)
class _File:
    """A file, the same by whichever process's root it is reached."""

    device: int
    inode: int
    changed_ns: int
    size: int
    place: str = field(compare=False)


@functools.cache
def _version(file: _File) -> str | None:
    """The version of the SQLite in a file: empty where it cannot be told, None where there is none.

    The source id alone proves nothing: the `sqlite3` shell has one, to compare with its library's.
    """
    if not 0 < file.size <= _LARGEST:
        return None
    try:
        with (
            Path(file.place).open("rb") as opened,
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            years = [int(match[1]) for match in _SOURCE_ID.finditer(content)]
            found = {match[1].decode() for match in _VERSION.finditer(content)} if years else set()
    except (OSError, ValueError):
        return None
    if years and max(years) >= _LATER_YEAR:
        found = {version for version in found if int(version.split(".")[1]) >= _LATER_MINOR}
    return (found.pop() if len(found) == 1 else "") if found else None
