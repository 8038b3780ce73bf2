"""The files of a database, looked at from outside and left as they are."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from lockscope.errors import DatabaseError

__all__ = ["DatabaseFile", "DatabaseFiles", "file_at", "find_files", "journal_head", "opened"]

_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
"""https://sqlite.org/fileformat.html#the_database_header: page size at 16, write and read version
(2: WAL) at 18 and 19."""

_JOURNAL_HEAD_BYTES: Final = 28


class DatabaseFile(NamedTuple):
    """One file at one moment.

    Attributes:
        path: Where.
        device: Its device, as `stat` gives it.
        inode: Its inode.
        size: In bytes.
        written_at: When it was last written, seconds of the wall clock.
    """

    path: str
    device: int
    inode: int
    size: int
    written_at: float = 0.0


class DatabaseFiles(NamedTuple):
    """A database and what lies beside it.

    Attributes:
        main: The database itself; its path is without symbolic links, as SQLite resolves it.
        wal: Its `-wal`, None where there is none; likewise `shm` and `journal`.
        page_bytes: Size of a page; 0 for an empty database.
        is_wal: Whether its header says WAL mode.
    """

    main: DatabaseFile
    wal: DatabaseFile | None
    shm: DatabaseFile | None
    journal: DatabaseFile | None
    page_bytes: int
    is_wal: bool


def find_files(path: Path) -> DatabaseFiles:
    """Find a database's files.

    Raises:
        DatabaseError: There is none at the path, or it is none, or it may not be read.
    """
    main = _main(path)
    page_bytes, is_wal = _header(main)
    wal, shm, journal = (file_at(main.path + suffix) for suffix in ("-wal", "-shm", "-journal"))
    return DatabaseFiles(main, wal, shm, journal, page_bytes, is_wal)


def journal_head(files: DatabaseFiles) -> bytes:
    """The head of the rollback journal: a random number in it tells one transaction's from the
    next's (https://sqlite.org/fileformat.html#the_rollback_journal).

    Its first byte is zero until the journal is on the disk: then, and not before, the journal of a
    process that ended would be rolled back (`pager.c`, writeJournalHdr and hasHotJournal).

    Returns:
        Nothing where no transaction's pages are in it: there is none, it is empty, or its head was
        overwritten with zeros when its transaction ended (`pager.c`, zeroJournalHdr).
    """
    if files.main.size == 0:
        return b""
    try:
        with opened(files.main.path + "-journal") as descriptor:
            head = os.pread(descriptor, _JOURNAL_HEAD_BYTES, 0)
    except OSError:
        return b""
    return head if any(head) else b""


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor to read a file by, which leaves its time of last access alone where that is
    allowed (`open(2)`, O_NOATIME: to its owner), and waits for nobody.

    Never to be used in a process that uses the database: closing the descriptor drops all the locks
    that the process has on the file (`fcntl(2)`).
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _main(path: Path) -> DatabaseFile:
    resolved = os.path.realpath(path)
    try:
        status = os.stat(resolved)  # noqa: PTH116 - as the rest of this page
    except FileNotFoundError:
        raise DatabaseError(
            f"{path} does not exist: give the path of a database.", path=path
        ) from None
    except OSError as error:
        raise DatabaseError(f"{path} cannot be looked at: {error.strerror}.", path=path) from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise DatabaseError(f"{path} is {kind}: give the path of a database.", path=path)
    return DatabaseFile(resolved, status.st_dev, status.st_ino, status.st_size, status.st_mtime)


def _header(main: DatabaseFile) -> tuple[int, bool]:
    """Size of a page, and whether WAL is used."""
    path = Path(main.path)
    try:
        with opened(main.path) as descriptor:
            head = os.pread(descriptor, _HEADER_BYTES, 0)
    except OSError as error:
        raise DatabaseError(
            f"{path} cannot be read: {error.strerror}. Run lockscope as a user who may.", path=path
        ) from error
    if not head:
        return 0, False  # a database before its first page
    if not head.startswith(_MAGIC) or len(head) < _HEADER_BYTES:
        raise DatabaseError(
            f"{path} is not an SQLite database (or it is encrypted): give the path of one.",
            path=path,
        )
    size = int.from_bytes(head[16:18], "big")
    return 65536 if size == 1 else size, head[18] == 2


def file_at(path: str) -> DatabaseFile | None:
    """The file at a path; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return DatabaseFile(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime)
