"""SQLite databases that lockscope may write: which those are, and why another one is refused."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from lockscope.errors import DatabaseError

__all__ = ["APPLICATION_ID", "MAGIC", "claim", "database_error"]

APPLICATION_ID: Final = 0x4C4B5343
"""`PRAGMA application_id` of what lockscope made ("LKSC"): only there may tables be dropped."""
MAGIC: Final = b"SQLite format 3\0"
"""The first bytes of every database: https://sqlite.org/fileformat.html#the_database_header"""
_BUSY_TIMEOUT_S: Final = 1.0
_PRIMARY: Final = 0xFF
"""The low byte of an extended result code is the primary one: https://sqlite.org/rescode.html"""
_REASONS: Final = {
    sqlite3.SQLITE_BUSY: "is locked by another program right now: end that one",
    sqlite3.SQLITE_LOCKED: "is locked within this program right now",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database",
    sqlite3.SQLITE_CORRUPT: "is damaged: its structure is malformed",
    sqlite3.SQLITE_READONLY: "cannot be written: it or its folder is read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: look at its folder and its permissions",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
}


def claim(path: Path, *, wal: bool) -> None:
    """Make a database, or take one that lockscope made before, and put it into the journal mode.

    Args:
        path: Where it lies or shall lie; its folder must exist.
        wal: Write-ahead log if true, else the rollback journal.

    Raises:
        DatabaseError: It is not lockscope's own, or not a database, or cannot be written now.
    """
    _reach(path)
    _look(path)
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as db:
            _refuse_foreign(db, path)
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            _set_journal_mode(db, path, "wal" if wal else "delete")
    except sqlite3.Error as error:
        raise database_error(error, path) from error


def database_error(error: sqlite3.Error, path: Path) -> DatabaseError:
    """Say in a sentence why a database could not be used, and what to do."""
    code = getattr(error, "sqlite_errorcode", None)
    reason = _REASONS.get(code & _PRIMARY) if code is not None else None
    told = f"{path} {reason or f'cannot be used: {error}'}; choose another with --db."
    return DatabaseError(told, path=path)


def _reach(path: Path) -> None:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return  # to be made, or told by what comes next
    except OSError as error:
        told = f"{path} cannot be used: {error.strerror}; choose another with --db."
        raise DatabaseError(told, path=path) from error


def _look(path: Path) -> None:
    if path.is_dir():
        raise DatabaseError(f"{path} is a folder, not a database; name a file in it.", path=path)
    if not path.parent.is_dir():
        raise DatabaseError(
            f"{path.parent} is no folder, so no database can be made there; make the folder first.",
            path=path,
        )
    if not path.exists():
        return
    if not path.is_file():
        # Opening a FIFO would wait for a writer for ever.
        raise DatabaseError(f"{path} is not a regular file; choose another with --db.", path=path)
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except OSError as error:
        raise DatabaseError(f"{path} cannot be read: {error.strerror}.", path=path) from error
    if head and head != MAGIC:
        raise DatabaseError(
            f"{path} is not an SQLite database; it was not touched. Choose another with --db.",
            path=path,
        )


def _refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    mark = db.execute("PRAGMA application_id").fetchone()[0]
    if mark == APPLICATION_ID:
        return
    objects = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if mark or objects:
        raise DatabaseError(
            f"{path} was not made by lockscope, and an experiment drops tables; it was not "
            "touched. Choose a path where no database lies.",
            path=path,
        )


def _set_journal_mode(db: sqlite3.Connection, path: Path, mode: str) -> None:
    got = db.execute(f"PRAGMA journal_mode={mode}").fetchone()[0]
    if got != mode:
        raise DatabaseError(
            f"{path} stays in journal mode {got} where {mode} was asked for; its file system may "
            "not support shared memory. Choose another with --db.",
            path=path,
        )
