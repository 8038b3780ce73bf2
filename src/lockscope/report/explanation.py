"""A caught error of SQLite, in a sentence that names the holder of this moment."""

import os
from typing import Final

from lockscope.errors import LockscopeError
from lockscope.live.asking import ask
from lockscope.live.model import Snapshot
from lockscope.live.own_files import own_databases
from lockscope.report.who_advice import next_step
from lockscope.report.who_words import headline, writer_of

__all__ = ["explanation"]

_BUSY: Final = 5
_BUSY_SNAPSHOT: Final = 517
_LOCKED: Final = 6
_PRIMARY: Final = 0xFF
"""The low byte of an extended result code (https://sqlite.org/rescode.html)."""
_WORDS: Final = {"database is locked": _BUSY, "database table is locked": _LOCKED}
_STALE: Final = (
    "another process wrote after this transaction had begun to read, so that it cannot write any "
    "more (SQLITE_BUSY_SNAPSHOT), and waiting cannot help: roll back, and begin again with BEGIN "
    "IMMEDIATE."
)
_WITHIN: Final = (
    "another connection or statement of this very process is in the way (SQLITE_LOCKED), which no "
    "lock between processes shows, and waiting cannot help: finish or reset that statement first."
)


def explanation(error: BaseException, address: str | None) -> str:
    """The sentence.

    Args:
        error: What was caught.
        address: The database, None to look which this process has open.
    """
    code = _code(error)
    if code == _BUSY_SNAPSHOT:
        return f"{error}: {_STALE}"
    if code & _PRIMARY == _LOCKED:
        return f"{error}: {_WITHIN}"
    if code & _PRIMARY != _BUSY:
        return f"{error}: this is no error of locking."
    return f"{error}: {_busy(address)}"


def _busy(address: str | None) -> str:
    if address is None:
        candidates = own_databases()
        if len(candidates) != 1:
            found = "has none open" if not candidates else f"has {', '.join(candidates)} open"
            return (
                f"this process {found}, so give explain() the path of the database to learn who "
                "holds it."
            )
        address = candidates[0]
    try:
        snapshot = ask(address)
    except LockscopeError as problem:
        return f"who holds it cannot be told. {problem}"
    return _told(snapshot)


def _told(snapshot: Snapshot) -> str:
    writer = writer_of(snapshot)
    if writer is not None and writer.process.pid == os.getpid():
        return (
            f"{headline(snapshot)} That is this very process: another connection of it, "
            "perhaps in another thread, has a transaction open."
        )
    if not snapshot.write_locked and not snapshot.holders:
        return f"{headline(snapshot)} Whoever held it has let go: try again."
    where = f" It is at {writer.source}." if writer is not None and writer.source else ""
    step = next_step(snapshot)
    return f"{headline(snapshot)}{where}" + (f" Next: {step}" if step else "")


def _code(error: BaseException | None) -> int:
    """The result code of an error or of one that it wraps; 0 where there is none."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        for name in ("sqlite_errorcode", "extendedresult"):  # sqlite3's, apsw's
            code = getattr(error, name, None)
            if isinstance(code, int):
                return code
        for words, code in _WORDS.items():
            if words in str(error):
                return code
        wrapped = getattr(error, "orig", None)  # SQLAlchemy's
        error = wrapped if isinstance(wrapped, BaseException) else error.__cause__
    return 0
