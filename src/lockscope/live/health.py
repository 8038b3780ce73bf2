"""Is a database healthy, and fit to be shared: looked at from outside, without taking a lock."""

import os
import sqlite3
import tempfile
import time
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lockscope.capture.mounts import mount_of
from lockscope.errors import CaptureError
from lockscope.live.environment import Check, Verdict
from lockscope.live.files import DatabaseFile, DatabaseFiles, find_files
from lockscope.live.integrity import integrity_check
from lockscope.live.journals import journal_check, log_check
from lockscope.live.model import Process, Snapshot, WalState
from lockscope.live.permissions import permission_checks
from lockscope.live.processes import OpenFile, look_at, open_files
from lockscope.live.snapshot import who
from lockscope.live.using import strays_check, users_check, version_checks
from lockscope.live.wal import size_text
from lockscope.locks.file_systems import unfit

__all__ = ["Health", "examine"]

_WRITING: Final = frozenset({"RESERVED", "PENDING", "EXCLUSIVE"})
_AUTO_CHECKPOINT: Final = 1000
"""Pages of the log after which a commit checkpoints: https://sqlite.org/compile.html
(SQLITE_DEFAULT_WAL_AUTOCHECKPOINT)."""
_UNNOTICED: Final = 10 * _AUTO_CHECKPOINT
"""A log this long has not been written back for ten automatic checkpoints."""
_MOST_LOOKS: Final = 3
_SYNCHRONOUS: Final = ("OFF", "NORMAL", "FULL", "EXTRA")


@dataclass(frozen=True, slots=True)
class Health:
    """What was found of a database.

    Attributes:
        path: Where it lies.
        at: The wall clock's time, ISO 8601.
        checks: What was looked at.
    """

    path: str
    at: str
    checks: tuple[Check, ...]

    @property
    def is_fine(self) -> bool:
        """Whether every check was passed."""
        return all(check.verdict is Verdict.FINE for check in self.checks)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the checks judge.

    Attributes:
        files: The database's files.
        snapshot: Who holds what; None where that cannot be seen.
        blind: Why not.
        users: Those that have it open, by pid.
        strays: Those that have a deleted or replaced file of it open.
        closed: How many processes may not be looked into.
    """

    files: DatabaseFiles
    snapshot: Snapshot | None
    blind: str
    users: dict[int, Process]
    strays: dict[int, Process]
    closed: int


def examine(path: Path, *, integrity: bool = False) -> Health:
    """Examine a database without disturbing it.

    Args:
        path: The database.
        integrity: Whether to read all of it too, under a read lock.

    Raises:
        DatabaseError: There is no database at the path, or it may not be read.
        CaptureError: This system has no `/proc`.
    """
    seen = _look(path)
    checks = list(_checks(seen))
    if integrity:
        is_hot = any(
            check.name == "rollback journal" and check.verdict is not Verdict.FINE
            for check in checks
        )
        checks.append(integrity_check(seen.files, is_hot=is_hot))
    return Health(seen.files.main.path, time.strftime("%Y-%m-%dT%H:%M:%S%z"), tuple(checks))


def _look(path: Path) -> _Seen:
    """Look until the same files are there before and after: the last connection to close takes the
    log away, and its index just before.
    """
    if not Path("/proc/self/fd").exists():
        raise CaptureError(
            "A database can be looked at from outside on Linux alone, by its /proc: leave the path "
            "away to check this machine."
        )
    for _ in range(_MOST_LOOKS):
        files, (snapshot, blind) = find_files(path), _snapshot(path)
        opened, closed = open_files(Path(files.main.path).name)
        if _present(find_files(path)) == _present(files):
            break
    users = {pid for pid, own in opened.items() if _identity(files.main) in map(_identity, own)}
    strays = {pid for pid, own in opened.items() if _is_stray(own, files)}
    if snapshot is not None:
        users |= {holder.process.pid for holder in snapshot.holders}
        users |= {opener.process.pid for opener in snapshot.attached}
    return _Seen(
        files,
        snapshot,
        blind,
        {pid: look_at(pid) for pid in sorted(users - strays) if pid},
        {pid: look_at(pid) for pid in sorted(strays)},
        closed,
    )


def _present(files: DatabaseFiles) -> tuple[bool, ...]:
    return files.wal is not None, files.shm is not None, files.journal is not None


def _identity(file: DatabaseFile | OpenFile) -> tuple[int, int]:
    return file.device, file.inode


def _is_stray(own: Iterable[OpenFile], files: DatabaseFiles) -> bool:
    """Whether a process has a predecessor of the database open: another file of the same path, or
    the log of this path without the database that is there.
    """
    main = files.main
    paths = {file.path: _identity(file) for file in own}
    if main.path in paths:
        return paths[main.path] != _identity(main)
    beside = (f"{main.path}-wal", f"{main.path}-shm")
    return _identity(main) not in paths.values() and any(path in paths for path in beside)


def _snapshot(path: Path) -> tuple[Snapshot | None, str]:
    """Who holds what, or why that cannot be seen."""
    try:
        return who(path, stack=False), ""
    except CaptureError as error:
        return None, str(error)


def _holding(snapshot: Snapshot | None, names: Collection[str]) -> tuple[int, ...]:
    """Pids that hold one of some locks."""
    if snapshot is None:
        return ()
    return tuple(
        holder.process.pid
        for holder in snapshot.holders
        if any(lock.name in names for lock in holder.locks)
    )


def _checks(seen: _Seen) -> Iterable[Check]:
    files = seen.files
    pids = tuple(seen.users)
    yield _journal_mode(files)
    yield journal_check(
        files, pids, lambda: _holding(_snapshot(Path(files.main.path))[0], _WRITING)
    )
    yield log_check(files, pids, _holding(seen.snapshot, {"EXCLUSIVE"}))
    if seen.snapshot and seen.snapshot.wal:
        yield _checkpoint(seen.snapshot.wal)
    yield _pages(files)
    yield _file_system(files.main.path)
    yield from permission_checks(files)
    yield _names(files.main.path)
    yield strays_check(seen.strays)
    yield users_check(seen.users, seen.closed, seen.blind)
    yield from version_checks((*seen.users, *seen.strays), is_wal=files.is_wal)
    yield _new_connection(files)


def _journal_mode(files: DatabaseFiles) -> Check:
    if not files.main.size:
        found = "empty: no page was written yet"
    elif files.is_wal:
        found = "WAL: readers and one writer at a time do not wait for each other"
    else:
        found = "rollback journal: a commit waits until nobody reads, and readers wait for it"
    return Check("journal mode", Verdict.FINE, found)


def _checkpoint(wal: WalState) -> Check:
    """Whether the log is written back as it grows."""
    behind = max((pin.frames_behind for pin in wal.pins), default=0)
    if behind >= _AUTO_CHECKPOINT:
        return Check(
            "checkpoint",
            Verdict.WARNING,
            wal.sentence,
            "End that read transaction: reset or finish the statement, commit, or close the "
            "connection. Until then the log grows and every reader gets slower.",
        )
    if wal.frames - wal.checkpointed >= _UNNOTICED:
        return Check(
            "checkpoint",
            Verdict.WARNING,
            wal.sentence,
            "Is wal_autocheckpoint off, or is there always somebody reading? Run PRAGMA "
            "wal_checkpoint(TRUNCATE) from a program that uses it, when few do.",
        )
    return Check("checkpoint", Verdict.FINE, wal.sentence)


def _pages(files: DatabaseFiles) -> Check:
    if not files.page_bytes:
        return Check("pages", Verdict.FINE, "none")
    count = files.main.size // files.page_bytes
    found = f"{count:,} of {files.page_bytes:,} bytes: {size_text(files.main.size)}"
    return Check("pages", Verdict.FINE, found)


def _file_system(path: str) -> Check:
    mount = mount_of(path)
    if mount.kind == "unknown":
        return Check("file system", Verdict.UNKNOWN, "its type cannot be told")
    found = f"{mount.kind} at {mount.point} ({', '.join(mount.options)})"
    if what := unfit(mount.kind):
        return Check(
            "file system",
            Verdict.FAILED,
            f"{found} is {what}: one side may not see the other's locks",
            "Put the database on a local file system, or let the programs of one machine alone use "
            "it, in a rollback mode.",
        )
    if "ro" in mount.options:
        return Check(
            "file system",
            Verdict.WARNING,
            f"{found}: nobody can write, nor roll back a journal",
            "If it became read-only by itself, look into the kernel's log (dmesg) first.",
        )
    return Check("file system", Verdict.FINE, found)


def _names(path: str) -> Check:
    """A file with two names has two journals, and neither is found under the other name
    (https://sqlite.org/howtocorrupt.html, multiple links to the same file).
    """
    links = os.stat(path).st_nlink  # noqa: PTH116
    if links < 2:
        return Check("names", Verdict.FINE, "one")
    return Check(
        "names",
        Verdict.WARNING,
        f"the file has {links} names (hard links): a journal is found under one of them only",
        "Let all programs use the same path, or a symbolic link, and remove the other hard links "
        "when nobody has it open.",
    )


def _new_connection(files: DatabaseFiles) -> Check:
    """What a connection gets that sets nothing: asked of a private database, never of this one."""
    names = ("journal_mode", "locking_mode", "synchronous", "wal_autocheckpoint", "busy_timeout")
    with (
        tempfile.TemporaryDirectory(prefix="lockscope-") as room,
        closing(sqlite3.connect(Path(room, "new.db"))) as connection,
    ):
        own = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names}
        level = connection.isolation_level
    if files.is_wal:
        own["journal_mode"] = "wal"  # the one setting that a database keeps
    own["synchronous"] = _SYNCHRONOUS[own["synchronous"]]
    patience = own.pop("busy_timeout")
    told = ", ".join(f"{name}={value}" for name, value in own.items())
    return Check(
        "new connection",
        Verdict.FINE,
        f"{told}. Python's sqlite3.connect waits {patience / 1000:g} s for a lock and begins a "
        f"transaction before a write ({level or 'DEFERRED'}); the C library waits 0 s and "
        "begins none.",
    )
