"""Read a whole database, on request, to see whether it is damaged."""

import os
import sqlite3
from contextlib import closing
from typing import Final
from urllib.parse import quote

from lockscope.live.environment import Check, Verdict
from lockscope.live.files import DatabaseFiles

__all__ = ["integrity_check"]

_PATIENCE_S: Final = 5.0
_MOST_ERRORS: Final = 5
_STEPS: Final = 100_000
"""Steps of SQLite's machine between two looks for a Ctrl-C: some milliseconds."""
_PRIMARY: Final = 0xFF
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_ADVICE: Final = (
    "Stop the programs that use it, copy all its files together, and restore a backup or use the "
    "sqlite3 shell's .recover on the copy (https://sqlite.org/recovery.html)."
)


def integrity_check(files: DatabaseFiles, *, is_hot: bool) -> Check:
    """Read every page under a read lock, with `PRAGMA integrity_check`.

    In a rollback mode a commit waits meanwhile; in WAL mode a checkpoint does. Nothing is written,
    and no file is made: in WAL mode an `-shm` of another owner would lock the others out.

    Args:
        files: The database.
        is_hot: Whether it has a hot journal, which would have to be rolled back first.
    """
    if is_hot:
        return Check(
            "integrity", Verdict.UNKNOWN, "not read: its journal has to be rolled back first"
        )
    if not files.is_wal:
        return _read(files, "mode=ro")
    if files.wal is not None and files.shm is None:
        return Check("integrity", Verdict.UNKNOWN, "not read: its log has to be recovered first")
    if files.wal is not None:
        return _read(files, "mode=ro&readonly_shm=1")
    # Even to read, SQLite would make a log. Nobody has the database open: it is read as a file that
    # does not change, and that it did not is seen to afterwards.
    before = _state(files)
    check = _read(files, "mode=ro&immutable=1")
    if _state(files) == before:
        return check
    return Check(
        "integrity",
        Verdict.UNKNOWN,
        "a program began to use it meanwhile",
        "Ask again.",
    )


def _read(files: DatabaseFiles, how: str) -> Check:
    uri = f"file:{quote(files.main.path)}?{how}"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE_S)) as connection:
            connection.set_progress_handler(lambda: 0, _STEPS)
            rows = connection.execute(f"PRAGMA integrity_check({_MOST_ERRORS})").fetchall()
    except sqlite3.Error as error:
        return _failed(error)
    if rows == [("ok",)]:
        return Check("integrity", Verdict.FINE, "every page was read: ok")
    return Check("integrity", Verdict.FAILED, "; ".join(str(row[0]) for row in rows), _ADVICE)


def _failed(error: sqlite3.Error) -> Check:
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if code == sqlite3.SQLITE_INTERRUPT:
        raise KeyboardInterrupt from error
    if code == sqlite3.SQLITE_BUSY:
        return Check(
            "integrity",
            Verdict.UNKNOWN,
            f"not read: it was locked for {_PATIENCE_S:.0f} s on end",
            "Ask lockscope who has it, and again when it is free.",
        )
    if code in _DAMAGED:
        return Check("integrity", Verdict.FAILED, str(error), _ADVICE)
    return Check("integrity", Verdict.UNKNOWN, f"not read: {error}")


def _state(files: DatabaseFiles) -> tuple[int, ...]:
    """What changes when somebody writes, or is about to."""
    status = os.stat(files.main.path)  # noqa: PTH116
    has_log = os.path.exists(f"{files.main.path}-wal")  # noqa: PTH110
    return status.st_ino, status.st_size, status.st_mtime_ns, has_log
