"""Group C: a reader is the culprit."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.causes.case import Case
from lockscope.analysis.causes.model import Answer, Cause, Evidence, Verdict
from lockscope.analysis.causes.programs import TOOLS
from lockscope.analysis.causes.victims import Victim
from lockscope.interpret.model import Events
from lockscope.interpret.model import Verdict as Granted
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import READ_SLOTS, Slot
from lockscope.trace.rows import pairs, runs, stable_order

__all__ = [
    "blocking_checkpoint",
    "iterates_and_writes",
    "long_reader",
    "tool",
    "unfinished_select",
]

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
C20: Final = Cause(
    "C20",
    "long reader that keeps the log from being written back",
    "no",
    "kept its snapshot of the write-ahead log, which therefore could not be written back and grew",
    "End read transactions soon: read to the end, close cursors, open a new one for each page of a "
    "long report.",
    "Record it again: no read mark may be held over several checkpoints; the -wal stays small.",
    "Nothing fails by it, so no timeout is asked: every reader and writer only becomes slower.",
)
C22: Final = Cause(
    "C22",
    "tool that holds the database",
    "partly",
    "waited for a tool (a shell, a browser of databases, a backup) that held the lock",
    "Open it read-only (`sqlite3 -readonly`), commit what was begun in it, or copy with VACUUM "
    "INTO and look at the copy.",
    "Record it again with the tool at work: it may hold no lock that others wait for.",
    "A longer timeout helps only beyond the person who sits before the tool.",
)
_CHECKPOINTS: Final = 3
"""So many checkpoints in a row that one reader stopped half way are no accident."""


def long_reader(case: Case) -> Verdict:
    """C20: several checkpoints were denied a read mark that one hold kept."""
    kept = {
        hold: denied for hold, denied in _denied_checkpoints(case).items() if denied >= _CHECKPOINTS
    }
    evidence = [_reader(case, hold, denied) for hold, denied in kept.items()]
    if not evidence:
        return Verdict(C20, Answer.NO)
    evidence.sort(key=lambda one: one.at_s)
    return Verdict(C20, Answer.YES, tuple(evidence))


def _denied_checkpoints(case: Case) -> dict[int, int]:
    """For each hold of a read mark, how many checkpoints it stopped half way."""
    resources, events = case.analysis.source.resources, case.analysis.source.events
    slots = np.array([resource.slot for resource in resources], np.int64)
    denied = events.take(
        np.flatnonzero(
            (events["verdict"] == Granted.DENIED)
            & (events["mode"] == LockMode.EXCLUSIVE)
            & np.isin(slots, READ_SLOTS[1:])[events["resource"]]
        )
    )
    stopped = [np.zeros((2, 0), np.int64)]
    for resource in np.unique(denied["resource"]).tolist():
        asked = denied.take(np.flatnonzero(denied["resource"] == resource))
        # The hold of CKPT under which each was asked for: the checkpoint that it is part of.
        ckpt = resource - resources[resource].slot + Slot.WAL_CKPT
        checkpoint = case.index.at(asked["process"], ckpt, asked["began_ns"])
        within = np.flatnonzero(checkpoint >= 0)
        of = np.flatnonzero(case.analysis.holds["resource"] == resource)
        stopped += _stopped(case.analysis.holds, of, asked.take(within), checkpoint[within])
    hold, checkpoint = np.concatenate(stopped, axis=1)
    _, once = np.unique(pairs(hold, checkpoint), return_index=True)
    found, counts = np.unique(hold[once], return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _stopped(
    holds: Events, of: NDArray[np.int64], asked: Events, checkpoint: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """The holds that other processes had on a resource when a checkpoint asked for it, and which
    that was.
    """
    of = of[stable_order(holds["process"][of])]
    bounds = runs(holds["process"][of]).tolist()
    for first, last in pairwise(bounds):
        mine = of[first:last]
        latest = np.searchsorted(holds["began_ns"][mine], asked["began_ns"], "right") - 1
        lasts = (latest >= 0) & (asked["process"] != holds["process"][mine[0]])
        lasts &= holds["released_ns"][mine[latest]] >= asked["began_ns"]
        yield np.stack([mine[latest[lasts]], checkpoint[lasts]])


def _reader(case: Case, hold: int, denied: int) -> Evidence:
    row = case.analysis.holds[hold]
    context = case.analysis.source.contexts[int(row["context"])]
    began, ended = int(row["began_ns"]), int(row["ended_ns"])
    return Evidence(
        pid=case.pid(int(row["process"])),
        at_s=case.seconds(began),
        seconds=0.0,
        failed=False,
        resource=case.analysis.source.resources[int(row["resource"])].title,
        statement=context.statement or None,
        source=context.source or None,
        facts=(("held_s", (ended - began) / 1e9), ("checkpoints_denied", denied)),
        records=(began, ended),
    )


def tool(case: Case) -> Verdict:
    """C22: the program of the process in the way is one that people look into databases with."""
    return case.verdict(
        C22, (v for v in case.victims if case.waited(v) and case.program(v.blocker) in TOOLS)
    )


def iterates_and_writes(case: Case) -> Verdict:
    """C19: a connection of the waiting process itself held SHARED, and another wanted to write."""
    return case.verdict(
        C19,
        (
            victim
            for victim in case.victims
            if case.inside(victim) and case.holds(victim.blocker) == (Slot.SHARED, LockMode.SHARED)
        ),
    )


def blocking_checkpoint(case: Case) -> Verdict:
    """C21: the writer in the way held CKPT as well, and was itself denied a read mark."""
    denied = _denied_marks(case)
    return case.verdict(
        C21,
        (
            victim
            for victim in case.victims
            if case.waited(victim)
            and victim.wanted is Slot.WAL_WRITE
            and _waits_for_reader(case, victim, denied)
        ),
    )


def _denied_marks(case: Case) -> dict[int, Events]:
    """The waits of each process for a read mark, by time."""
    waits, resources = case.analysis.waits, case.analysis.source.resources
    slots = np.array([resource.slot for resource in resources], np.int64)
    rows = waits.take(np.flatnonzero(np.isin(slots, READ_SLOTS)[waits["resource"]]))
    return {
        process: rows.take(np.flatnonzero(rows["process"] == process))
        for process in np.unique(rows["process"]).tolist()
    }


def _waits_for_reader(case: Case, victim: Victim, denied: dict[int, Events]) -> bool:
    """Whether the blocker of a victim was itself denied a read mark meanwhile."""
    rows = denied.get(int(case.analysis.holds["process"][victim.blocker]))
    if rows is None:
        return False
    meets = (rows["began_ns"] <= victim.ended_ns) & (rows["ended_ns"] >= victim.began_ns)
    return bool(meets.any())


def unfinished_select(case: Case) -> Verdict:
    """C18: a COMMIT wanted EXCLUSIVE, and another process's SHARED was in its way."""
    return case.verdict(
        C18,
        (
            victim
            for victim in case.victims
            if case.waited(victim)
            and case.wants_to_commit(victim)
            and case.holds(victim.blocker) == (Slot.SHARED, LockMode.SHARED)
        ),
    )
