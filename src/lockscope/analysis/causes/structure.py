"""Group D: how the processes, threads and connections are arranged."""

import re
from typing import Final

from lockscope.analysis.causes.case import Case, Facts
from lockscope.analysis.causes.model import Cause, Verdict
from lockscope.analysis.causes.programs import KNOWN_PROGRAMS
from lockscope.analysis.causes.victims import Victim

__all__ = [
    "exclusive_mode",
    "forgotten_holder",
    "locked_table",
    "opposite_order",
    "pool",
    "schema_race",
    "stopped_holder",
]

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
C23: Final = Cause(
    "C23",
    "connections of one program in each other's way",
    "partly",
    "waited for another connection of its own program, which was writing in another thread",
    "Give the program one connection that writes, and let its threads queue for it; the others "
    "only read.",
    "Record it again: no wait inside the process may be left.",
    "A longer timeout makes the threads poll longer, and whoever comes last may still go first.",
)
C24: Final = Cause(
    "C24",
    "waiter that keeps the holder from going on",
    "no",
    "waited for a transaction of its own thread, which could not go on while the thread waited",
    "Let tasks of one event loop take turns before they begin a transaction, and await nothing "
    "inside one; or use one connection a thread.",
    "Record it again: no wait may be for a lock that the same thread had taken.",
    "A longer timeout stops the holder for longer: the lock is freed because the waiter gives up.",
)
C28: Final = Cause(
    "C28",
    "holder that nobody thinks of: stopped, or outside the recording",
    "no",
    "waited for a process that was stopped, or that is no part of what was recorded",
    "Look at the process that is named: end it, or let it go on (`kill -CONT PID`); allow one "
    "instance only, by a lock file or the service manager.",
    "Record it again: only processes that you started may hold the database.",
    "A longer timeout waits for a process that does not know that anybody waits.",
)
C29: Final = Cause(
    "C29",
    "schema made by many workers at once",
    "partly",
    "waited at its start for another worker of the same program that was making the schema",
    "Make or migrate the schema once, before the workers start, or under a lock file.",
    "Start all workers at once and record it: only one may write before the first request.",
)
_SCHEMA: Final = re.compile(
    r"CREATE (TEMP |TEMPORARY )?(TABLE|INDEX|UNIQUE INDEX|VIEW|TRIGGER|VIRTUAL TABLE)|ALTER TABLE|"
    r"PRAGMA (\w+\.)?(USER_VERSION|APPLICATION_ID) ?[=(]"
)


def pool(case: Case) -> Verdict:
    """C23: another connection of the same process, used by another thread, held the write lock."""
    return case.verdict(
        C23, (v for v in case.victims if case.inside(v) and not _same_thread(case, v))
    )


def stopped_holder(case: Case) -> Verdict:
    """C24: another connection of the very thread that waits held the lock."""
    return case.verdict(C24, (v for v in case.victims if case.inside(v) and _same_thread(case, v)))


def _same_thread(case: Case, victim: Victim) -> bool:
    return int(case.analysis.holds["thread"][victim.blocker]) == victim.thread


def forgotten_holder(case: Case) -> Verdict:
    """C28: the process in the way was stopped by a signal, or recorded nothing of what it did."""
    return case.verdict(
        C28,
        (
            victim
            for victim in case.victims
            if case.waited(victim) and (case.was_stopped(victim) or _is_outside(case, victim))
        ),
        lambda victim: _who_holds(case, victim),
    )


def _is_outside(case: Case, victim: Victim) -> bool:
    return not case.holder(victim).recorded and case.program(victim.blocker) not in KNOWN_PROGRAMS


def _who_holds(case: Case, victim: Victim) -> Facts:
    """The most useful first: what it is, that it does not go on, and how long it has held."""
    holder, hold = case.holder(victim), case.analysis.holds[victim.blocker]
    began_ns = max(int(hold["began_ns"]), case.analysis.source.began_ns)
    return (
        ("holder_command", holder.command or None),
        ("holder_stopped", case.was_stopped(victim)),
        ("held_s", (int(hold["ended_ns"]) - began_ns) / 1e9),
        ("holder_folder", holder.folder or None),
        ("holder_recorded", holder.recorded),
        ("same_program", case.same_command(victim)),
    )


def schema_race(case: Case) -> Verdict:
    """C29: the process in the way runs the same command, and was making the schema."""
    return case.verdict(
        C29,
        (
            victim
            for victim in case.victims
            if case.waited(victim)
            and case.same_command(victim)
            and case.ran_during(victim.blocker, _SCHEMA)
        ),
    )


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
    keeping = case.who_ran(_SETS_EXCLUSIVE)
    return case.verdict(
        C27,
        (
            victim
            for victim in case.victims
            if case.waited(victim)
            and case.holds_to_write(victim.blocker)
            and int(case.analysis.holds["process"][victim.blocker]) in keeping
        ),
    )
