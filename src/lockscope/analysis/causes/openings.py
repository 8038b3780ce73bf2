"""A database in WAL mode that is just being opened, or closed by the last who had it open."""

from typing import Final

from lockscope.analysis.causes.case import Case
from lockscope.analysis.causes.model import Cause, Verdict
from lockscope.analysis.causes.victims import Victim
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot

__all__ = ["last_close", "recovery"]

_RECOVERING: Final = 261
"""SQLITE_BUSY_RECOVERY, `sqlite3.h`."""
_PROTOCOL: Final = 15
"""SQLITE_PROTOCOL: given up after 100 tries and 10 s, whatever the timeout (`wal.c`,
walTryBeginRead)."""
_CLOSE: Final = "CLOSE()"
"""What the recorders call the closing of a connection."""
C16: Final = Cause(
    "C16",
    "recovery of the write-ahead log",
    "partly",
    "wanted to open a database whose log another process was reading anew, after a crash or at its "
    "start",
    "Close connections in order, so that no log is left to recover; keep one connection open all "
    "the time; and set a busy timeout before the first statement.",
    "Start all programs at once and record it: none may be denied WAL RECOVER, or end with 261 or "
    "15.",
    "The busy handler is asked when a recovery is in the way (261); SQLITE_PROTOCOL (15) comes "
    "after about 10 s of tries of its own, whatever the timeout.",
)
C17: Final = Cause(
    "C17",
    "last connection that is being closed",
    "yes",
    "could not open the database while the last other connection closed it, which writes the log "
    "back with everybody locked out",
    "Keep one connection open as long as the program runs, and set a busy timeout before the first "
    "statement; a connection for each call closes the database each time.",
    "Record it again: no close() may take EXCLUSIVE while others come and go.",
)


def recovery(case: Case) -> Verdict:
    """C16: a statement ended with SQLITE_BUSY_RECOVERY or SQLITE_PROTOCOL, or was denied WAL
    RECOVER and slept.
    """
    return case.verdict(C16, (v for v in case.victims if _is_recovery(case, v)))


def _is_recovery(case: Case, victim: Victim) -> bool:
    if victim.code in (_RECOVERING, _PROTOCOL):
        return True
    return case.waited(victim) and case.holds(victim.blocker)[0] is Slot.WAL_RECOVER


def last_close(case: Case) -> Verdict:
    """C17: EXCLUSIVE was in the way, taken by a close(): only the last connection takes it."""
    return case.verdict(
        C17,
        (
            victim
            for victim in case.victims
            if case.waited(victim)
            and case.holds(victim.blocker)
            in ((Slot.PENDING, LockMode.EXCLUSIVE), (Slot.SHARED, LockMode.EXCLUSIVE))
            and case.statement(int(case.analysis.holds["context"][victim.blocker])) == _CLOSE
        ),
    )
