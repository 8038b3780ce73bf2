"""A remedy: a way to open, begin and commit that avoids a cause of "database is locked".

The remedy calls the transaction's body, never the other way round: so a remedy may run the body a
second time, or have another process run it, and the body cannot tell.
"""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

__all__ = ["Remedy", "Transaction", "UnknownCommitError"]

_PRIMARY: Final = 0xFF
"""The low byte of an extended result code is the primary one: https://sqlite.org/rescode.html"""
_REFUSED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CONSTRAINT)
"""After these COMMIT has changed nothing: https://sqlite.org/foreignkeys.html for the second."""
_SPARE_S: Final = 60.0
"""What the outlasting timeout adds to all holds, for the commits and for a busy machine."""


class Transaction(Protocol):
    """What a remedy must know of a transaction."""

    def task(self) -> None:
        """Do the slow part that needs no lock; who shortens transactions calls it first."""

    def body(self, connection: sqlite3.Connection) -> None:
        """Read and write, but neither begin nor commit; it may be called again after a rollback."""


class UnknownCommitError(sqlite3.OperationalError):
    """COMMIT failed in a way that does not tell whether the transaction is in the database.

    Trying again could apply it twice. SQLITE_BUSY is never reported so: a busy COMMIT has changed
    nothing.
    """


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to share a database.

    Attributes:
        name: As `--remedy` takes it.
        summary: What it does, in half a line.
        wal: Switch the database to a write-ahead log.
        immediate: Begin with BEGIN IMMEDIATE, so that the wait comes before the first read.
        task_first: Do the slow part before the transaction begins.
        outlasts: Wait for as long as all other holds together can last.
        own_timeout_s: The busy timeout it insists on, in seconds; None takes the program's.
    """

    name: str
    summary: str
    wal: bool = False
    immediate: bool = False
    task_first: bool = False
    outlasts: bool = False
    own_timeout_s: float | None = None

    def timeout_s(self, asked_s: float, holds_s: float) -> float:
        """The busy timeout under this remedy, in seconds.

        Args:
            asked_s: What the program would have used.
            holds_s: How long all holds of everybody together can last.
        """
        if self.outlasts:
            return max(asked_s, holds_s + _SPARE_S)
        return asked_s if self.own_timeout_s is None else self.own_timeout_s

    def connect(
        self,
        database: str | Path,
        *,
        timeout_s: float,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> sqlite3.Connection:
        """Open the database the way this remedy wants it.

        Args:
            database: Path of the database.
            timeout_s: Busy timeout in seconds.
            factory: The class of the connection.
        """
        connection = sqlite3.connect(database, timeout=timeout_s, factory=factory)
        try:
            if self.immediate:
                # A body that commits on its own would otherwise go on with a deferred BEGIN.
                connection.isolation_level = "IMMEDIATE"
            if self.wal:
                connection.execute("PRAGMA journal_mode=WAL").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def run(
        self,
        database: str | Path,
        transaction: Transaction,
        *,
        timeout_s: float,
        around: Callable[[int], AbstractContextManager[object]] = nullcontext,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> None:
        """Open, begin, run the body, commit, close.

        Args:
            database: Path of the database.
            transaction: What to do.
            timeout_s: Busy timeout in seconds, see `timeout_s()`.
            around: Entered around each attempt with its number (1, 2, ...); it sees the attempt's
                exception.
            factory: The class of the connection.

        Raises:
            UnknownCommitError: It may or may not be in the database.
            sqlite3.Error: It was rolled back. So it was for any exception of the body, which
            passes through.
        """
        if self.task_first:
            transaction.task()
        with around(1):
            connection = self.connect(database, timeout_s=timeout_s, factory=factory)
            try:
                self._attempt(connection, transaction)
            finally:
                connection.close()

    def _attempt(self, connection: sqlite3.Connection, transaction: Transaction) -> None:
        try:
            if self.immediate:
                connection.execute("BEGIN IMMEDIATE")
            transaction.body(connection)
            _commit(connection)
        except BaseException:
            with suppress(sqlite3.Error):  # else a second error would hide the one that matters
                connection.rollback()
            raise


def _commit(connection: sqlite3.Connection) -> None:
    try:
        connection.commit()
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & _PRIMARY in _REFUSED:
            raise
        unknown = UnknownCommitError(str(error))
        if code is not None:
            unknown.sqlite_errorcode = code
            unknown.sqlite_errorname = error.sqlite_errorname
        raise unknown from error
