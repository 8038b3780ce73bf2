"""Group C: a reader is the culprit."""

from typing import Final

from lockscope.analysis.causes.case import Case
from lockscope.analysis.causes.model import Cause, Verdict
from lockscope.analysis.causes.victims import Victim
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import READ_SLOTS, Slot

__all__ = ["blocking_checkpoint", "iterates_and_writes", "unfinished_select"]

C18: Final = Cause(
    "C18",
    "reader in the way of a COMMIT",
    "no",
    "could not commit because another process kept its read lock",
    "Read a SELECT to its end or close its cursor, and commit after reading; or use WAL mode, "
    "where a reader is in no writer's way.",
    "Record it again: no read lock may outlast the statement that took it.",
    "A longer timeout only helps beyond the end of the reader, whose cursor may stay open.",
)
C19: Final = Cause(
    "C19",
    "program in its own way: it reads and writes on two connections",
    "no",
    "waited for itself: one of its connections was still reading when another wanted to write",
    "Read all rows before writing (fetchall, or page by page), or write on the connection that "
    "reads.",
    "Run it with more rows than one page of the cursor holds: no wait inside the process may be "
    "left.",
    "A longer timeout makes the program wait longer for itself.",
)
C21: Final = Cause(
    "C21",
    "checkpoint that waits for a reader with the write lock held",
    "no",
    "waited for a checkpoint, which held the write lock and waited for a reader itself",
    "Use PRAGMA wal_checkpoint(PASSIVE), or a short busy timeout on the connection that "
    "checkpoints; and end the reader's transaction.",
    "Record it again: no checkpoint may hold WAL WRITE while it is denied a read mark.",
    "A longer timeout helps only beyond the reader, whom nobody asked to leave.",
)


def iterates_and_writes(case: Case) -> Verdict:
    """C19: a connection of the waiting process itself held SHARED, and another wanted to write."""
    inside = case.analysis.waits["inside"]
    return case.verdict(
        C19,
        (
            victim
            for victim in case.victims
            if victim.wait >= 0
            and inside[victim.wait]
            and victim.blocker >= 0
            and case.holds(victim.blocker) == (Slot.SHARED, LockMode.SHARED)
        ),
    )


def blocking_checkpoint(case: Case) -> Verdict:
    """C21: the writer in the way held CKPT as well, and was itself denied a read mark."""
    return case.verdict(
        C21,
        (
            victim
            for victim in case.victims
            if case.waited(victim)
            and victim.wanted is Slot.WAL_WRITE
            and _waits_for_reader(case, victim)
        ),
    )


def _waits_for_reader(case: Case, victim: Victim) -> bool:
    """Whether the blocker of a victim was itself denied a read mark meanwhile."""
    waits, source = case.analysis.waits, case.analysis.source
    hold = case.analysis.holds[victim.blocker]
    own = waits[
        (waits["process"] == hold["process"])
        & (waits["began_ns"] <= victim.ended_ns)
        & (waits["ended_ns"] >= victim.began_ns)
    ]
    return any(source.resources[int(row["resource"])].slot in READ_SLOTS for row in own)


def unfinished_select(case: Case) -> Verdict:
    """C18: a COMMIT wanted EXCLUSIVE, and another process's SHARED was in its way."""
    return case.verdict(
        C18,
        (
            victim
            for victim in case.victims
            if case.waited(victim)
            and case.wants(victim) == (Slot.SHARED, LockMode.EXCLUSIVE)
            and case.holds(victim.blocker) == (Slot.SHARED, LockMode.SHARED)
        ),
    )
