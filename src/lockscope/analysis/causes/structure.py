"""Group D: how the processes, threads and connections are arranged."""

import re
from typing import Final

from lockscope.analysis.causes.case import Case
from lockscope.analysis.causes.model import Cause, Verdict
from lockscope.analysis.causes.victims import Victim

__all__ = ["exclusive_mode", "locked_table", "opposite_order"]

_LOCKED: Final = (6, 262, 518)
"""SQLITE_LOCKED, _SHAREDCACHE and _VTAB, `sqlite3.h`."""
C25: Final = Cause(
    "C25",
    "locked by its own connection or a shared cache",
    "no",
    "was refused a table that a statement of the same connection, or of a shared cache, was using",
    "Finish or close every statement before DROP or ALTER, and do not use a shared cache.",
    "Run it again: no statement may end with SQLITE_LOCKED (6, 262).",
    "No busy timeout is asked here; a shared cache turns one error into another.",
)
C26: Final = Cause(
    "C26",
    "attached databases locked in opposite order",
    "no",
    "waited for a database whose holder waited for the one that it held itself: a deadlock",
    "Attach and write the databases in the same order everywhere, or begin with BEGIN IMMEDIATE "
    "after attaching them in one order.",
    "Record it again: the wait-for graph may hold no cycle.",
    "A longer timeout lets both wait longer for each other.",
)
C27: Final = Cause(
    "C27",
    "exclusive locking mode",
    "no",
    "was kept out by a connection that never gives its lock back (locking_mode=EXCLUSIVE)",
    "Use locking_mode=NORMAL where more than one process uses the database.",
    "Record it again: EXCLUSIVE must be released after every transaction.",
    "A longer timeout waits for a connection that keeps its lock until it is closed.",
)
_SETS_EXCLUSIVE: Final = re.compile(r"PRAGMA (\w+\.)?LOCKING_MODE ?[=(] ?'?EXCLUSIVE")


def locked_table(case: Case) -> Verdict:
    """C25: a statement ended with SQLITE_LOCKED; the kernel was not asked."""
    return case.verdict(C25, (victim for victim in case.victims if victim.code in _LOCKED))


def opposite_order(case: Case) -> Verdict:
    """C26: the wait is part of a cycle over more than one database."""
    crossing = {
        wait
        for deadlock in case.analysis.deadlocks
        for wait in deadlock.waits
        if len({_database(case, other) for other in deadlock.waits}) > 1
    }
    return case.verdict(C26, (victim for victim in case.victims if victim.wait in crossing))


def _database(case: Case, wait: int) -> int:
    resource = int(case.analysis.waits["resource"][wait])
    return case.analysis.source.resources[resource].database


def exclusive_mode(case: Case) -> Verdict:
    """C27: EXCLUSIVE was kept by a connection that had asked to keep it."""
    return case.verdict(
        C27,
        (
            victim
            for victim in case.victims
            if case.waited(victim) and case.holds_to_write(victim.blocker) and _keeps(case, victim)
        ),
    )


def _keeps(case: Case, victim: Victim) -> bool:
    statements = case.analysis.source.statements
    process = int(case.analysis.holds["process"][victim.blocker])
    contexts = set(statements["context"][statements["process"] == process].tolist())
    return any(_SETS_EXCLUSIVE.match(case.statement(context)) for context in contexts)
