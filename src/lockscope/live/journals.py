"""What an ended or a running transaction left beside a database: a hot journal, a log, an index."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lockscope.live.environment import Check, Verdict
from lockscope.live.files import DatabaseFiles, journal_head, opened
from lockscope.live.wal import size_text

__all__ = ["journal_check", "log_check"]

_LOG_HEAD_BYTES: Final = 32
_OPENING_S: Final = 0.05
_KEEP: Final = "Never delete, move or rename it: the database would be damaged."


def journal_check(
    files: DatabaseFiles, users: tuple[int, ...], writers: Callable[[], tuple[int, ...]]
) -> Check:
    """Say whether a rollback journal is hot: it has the pages as they were before a transaction
    that nobody is in any more (`pager.c`, hasHotJournal).

    Args:
        files: The database.
        users: Pids that have the database open.
        writers: Looks which pids hold a lock of a write transaction.
    """
    if files.journal is None:
        return Check("rollback journal", Verdict.FINE, "none")
    name = Path(files.journal.path).name
    before, writing = journal_head(files), writers()
    try:
        with opened(files.journal.path):
            pass
    except FileNotFoundError:
        return Check("rollback journal", Verdict.FINE, f"{name} ended just now")
    except OSError as error:
        found = f"{name} cannot be read: {error.strerror}"
        advice = f"Ask again as the owner of the database. {_KEEP}"
        return Check("rollback journal", Verdict.UNKNOWN, found, advice)
    if writing:
        return Check("rollback journal", Verdict.FINE, f"{name}: {_pids(writing)} writing")
    # Another transaction's journal has another number in its head: nobody was writing this one.
    if not before or journal_head(files) != before:
        return Check("rollback journal", Verdict.FINE, f"{name} is of an ended transaction")
    return _hot(name, users)


def _hot(name: str, users: tuple[int, ...]) -> Check:
    first = (
        f"{_pids(users)} using the database, and the first to read it"
        if users
        else ("the next process to read the database")
    )
    return Check(
        "rollback journal",
        Verdict.WARNING,
        f"{name} is hot: a writer ended within its transaction; {first} rolls it back before "
        "anything else",
        f"Let a program that may write read the database once; that rolls it back. {_KEEP}",
    )


def log_check(files: DatabaseFiles, users: tuple[int, ...], alone: tuple[int, ...]) -> Check:
    """Say whether the log and its index are there as they should be.

    Args:
        files: The database.
        users: Pids that have the database open.
        alone: Pids that hold EXCLUSIVE: locking_mode=EXCLUSIVE keeps the index in memory.
    """
    log = files.wal
    if log is None:
        told = "none: the last connection wrote it back" if files.is_wal else "none"
        return Check("log", Verdict.FINE, told)
    name, size = Path(log.path).name, size_text(log.size)
    if not files.is_wal:
        return _foreign_log(name, size) if log.size else Check("log", Verdict.FINE, "an empty one")
    if alone:
        found = f"{name} ({size}) without -shm: {_pids(alone)} in exclusive locking mode"
        return Check("log", Verdict.FINE, found)
    if files.shm is not None and users:
        return Check("log", Verdict.FINE, f"{name} ({size}) and its index are in use")
    if not _stays(log.path):
        return Check("log", Verdict.FINE, f"{name}: a program is opening or closing the database")
    return _left(name, size, has_index=files.shm is not None, users=users)


def _stays(path: str) -> bool:
    """Whether a log stays what it is for longer than a connection takes to open or close, while its
    index is absent: each log has another number in its head
    (https://sqlite.org/fileformat.html#the_wal_file_format).
    """
    before = _log_head(path)
    time.sleep(_OPENING_S)
    return before != b"" and _log_head(path) == before


def _log_head(path: str) -> bytes:
    try:
        with opened(path) as descriptor:
            return os.pread(descriptor, _LOG_HEAD_BYTES, 0)
    except OSError:
        return b""


def _left(name: str, size: str, *, has_index: bool, users: tuple[int, ...]) -> Check:
    if users:
        return Check(
            "log",
            Verdict.FAILED,
            f"{name} ({size}) has no -shm although {_pids(users)} using the database: somebody "
            "removed it",
            "End these programs normally, now, and start them again. " + _KEEP,
        )
    index = "" if has_index else " without -shm"
    return Check(
        "log",
        Verdict.WARNING,
        f"{name} ({size}){index} was left by a program that did not close the database; it may "
        "hold committed transactions, which the next connection recovers",
        "Let a program that may write open and close the database once. Copy the files together, "
        f"never the database alone. {_KEEP}",
    )


def _foreign_log(name: str, size: str) -> Check:
    return Check(
        "log",
        Verdict.FAILED,
        f"{name} ({size}) lies beside a database that is not in WAL mode: was the database "
        "replaced, while the log of its predecessor stayed?",
        "Before any program opens it: copy all its files together, and try the copy with "
        "lockscope check --integrity.",
    )


def _pids(pids: tuple[int, ...]) -> str:
    """`pid 7 is`, `pids 7, 9 are`."""
    if len(pids) == 1:
        return f"pid {pids[0]} is"
    return f"pids {', '.join(str(pid) for pid in pids)} are"
