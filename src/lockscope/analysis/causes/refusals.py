"""Group B: refused at once, without the busy handler; and C01, which looks the same."""

import re
from typing import Final

from lockscope.analysis.causes.case import Case
from lockscope.analysis.causes.model import Cause, Verdict
from lockscope.analysis.causes.victims import Victim
from lockscope.analysis.model import WaitEnd
from lockscope.locks.sqlite import Slot

__all__ = ["journal_mode", "no_timeout", "rollback_upgrade", "stale_snapshot", "wal_upgrade"]

_BUSY_SNAPSHOT: Final = 517
"""SQLITE_BUSY_SNAPSHOT, `sqlite3.h`."""
_BEGIN_IMMEDIATE: Final = (
    "Begin a transaction that will write with BEGIN IMMEDIATE; otherwise roll back and repeat all "
    "of it."
)
_UPGRADE_PROOF: Final = (
    "Record it again: no process may ask for the write lock while it holds a read lock of an "
    "earlier statement."
)
_NOT_TIMEOUT: Final = (
    "A longer timeout cannot help: the busy handler is not asked when waiting could be a deadlock."
)
_SETS_MODE: Final = re.compile(r"PRAGMA (\w+\.)?JOURNAL_MODE ?[=(]")
C01: Final = Cause(
    "C01",
    "no busy timeout",
    "yes",
    "was refused at once because its connection has no busy timeout",
    "Set a busy timeout on every connection: connect(timeout=5), or PRAGMA busy_timeout=5000 first "
    "of all.",
    "Record it again: a sleep must follow every denied request, on every connection.",
    "`PRAGMA busy_timeout` in a shell tells the shell's own timeout, and nothing of the program's.",
)
C12: Final = Cause(
    "C12",
    "refused lock upgrade",
    "no",
    "had read in its transaction and was refused the write lock at once, since waiting would have "
    "been a deadlock",
    _BEGIN_IMMEDIATE,
    _UPGRADE_PROOF,
    _NOT_TIMEOUT,
)
C13: Final = Cause(
    "C13",
    "refused lock upgrade in WAL mode",
    "no",
    "had read in its transaction and was refused the write lock at once while another process was "
    "writing",
    _BEGIN_IMMEDIATE,
    _UPGRADE_PROOF,
    _NOT_TIMEOUT,
)
C14: Final = Cause(
    "C14",
    "write from a stale snapshot",
    "no",
    "wanted to write although others had committed since it first read",
    _BEGIN_IMMEDIATE,
    _UPGRADE_PROOF,
    "Neither a longer timeout nor a repeated statement can help: the snapshot stays as old as it "
    "is until the transaction ends.",
)


C15: Final = Cause(
    "C15",
    "journal mode changed while others use the database",
    "no",
    "wanted to change the journal mode and was refused at once, because another one was writing",
    "Set WAL mode once, where the database is made: it is stored in the file. At the start read "
    "`PRAGMA journal_mode` and leave it alone when it is right.",
    "Start all programs at once and record it: none may ask for a lock by PRAGMA journal_mode.",
    "A longer timeout is not asked for here: the busy handler is invoked against a reader, not "
    "against a writer.",
)


def journal_mode(case: Case) -> Verdict:
    """C15: a PRAGMA journal_mode was refused, or waited long."""
    return case.verdict(
        C15,
        (v for v in case.victims if _SETS_MODE.match(case.statement(v.context)) and v.wait >= 0),
    )


def stale_snapshot(case: Case) -> Verdict:
    """C14: a statement ended with SQLITE_BUSY_SNAPSHOT; no lock call was denied."""
    return case.verdict(C14, (v for v in case.victims if v.code == _BUSY_SNAPSHOT))


def rollback_upgrade(case: Case) -> Verdict:
    """C12: RESERVED refused at once to a process that held SHARED from an earlier statement.

    The one that has RESERVED waits for that SHARED at its COMMIT: it is a victim of the same cycle.
    """
    refused = {v for v in case.victims if _is_upgrade(v, Slot.RESERVED)}
    cycles = [set(deadlock.waits) for deadlock in case.analysis.deadlocks]
    of_refused = {wait for cycle in cycles for v in refused if v.wait in cycle for wait in cycle}
    return case.verdict(C12, (v for v in case.victims if v in refused or v.wait in of_refused))


def wal_upgrade(case: Case) -> Verdict:
    """C13: WRITE refused at once to a process that held a read mark from an earlier statement."""
    return case.verdict(C13, (v for v in case.victims if _is_upgrade(v, Slot.WAL_WRITE)))


def no_timeout(case: Case) -> Verdict:
    """C01: refused at once to a process that held nothing which could have made a deadlock."""
    return case.verdict(C01, (v for v in case.victims if _is_refused(case, v) and v.read_hold < 0))


def _is_refused(case: Case, victim: Victim) -> bool:
    outside = victim.wait >= 0 and not case.analysis.waits["inside"][victim.wait]
    return outside and victim.end is WaitEnd.REFUSED


def _is_upgrade(victim: Victim, wanted: Slot) -> bool:
    return victim.end is WaitEnd.REFUSED and victim.wanted is wanted and victim.read_hold >= 0
