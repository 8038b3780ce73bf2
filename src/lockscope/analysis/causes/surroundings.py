"""Group E, what surrounds the database: file systems that do not lock, and programs of others."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from lockscope.analysis.causes.case import Case
from lockscope.analysis.causes.model import Answer, Cause, Evidence, Verdict
from lockscope.analysis.causes.programs import FOREIGN
from lockscope.analysis.losses import find_losses
from lockscope.analysis.protocol import Breach, Violation
from lockscope.interpret.model import FAILED
from lockscope.locks.file_systems import NETWORK, SHARED, unfit
from lockscope.locks.sqlite import Slot

__all__ = ["foreign_program", "network_mount", "shared_mount"]

C32: Final = Cause(
    "C32",
    "locks that exclude nobody: a network file system, or locks switched off",
    "no",
    "uses a database whose locks keep nobody out",
    "Put the database on a local file system, let one machine alone use it, and take nolock=1, "
    "immutable=1, vfs=unix-none and the mount options nolock and nobrl away.",
    "Record it again: every write must be made under a lock, and no lock call may fail.",
    "nolock and nobrl end the error by ending mutual exclusion: two writers then damage the "
    "database.",
)
C33: Final = Cause(
    "C33",
    "a file system shared between two kernels",
    "no",
    "uses a database on a file system whose other side does not see its locks",
    "Use a volume of the virtual machine or container itself, or let one side alone use the "
    "database; never WAL mode, whose index is shared memory of one kernel.",
    "Look at the mount again (`lockscope check DATABASE`): its type must be a local one.",
    "Neither WAL mode nor a longer timeout helps: the other side's locks cannot be seen.",
)
C34: Final = Cause(
    "C34",
    "a program of somebody else that opens the database: sync, antivirus, browser, indexer",
    "partly",
    "waited for a program that opens files on its own account, and held the lock",
    "Take the database's folder out of what the program synchronises, scans or indexes; of a "
    "browser's profile work on a copy.",
    "Record it again with the program at work: it may hold no lock that others wait for.",
    "A longer timeout helps only as long as the program looks at one file at a time.",
)
_NEEDED: Final = (
    "the names of all programs that open the file meanwhile: `lockscope who DATABASE` while it "
    "happens, or an audit of the file (fatrace, auditctl -w)"
)


def network_mount(case: Case) -> Verdict:
    """C32: a lock call failed for another reason than a holder, a transaction was written without
    any lock, or the database lies on a network file system.
    """
    unlocked = tuple(_unlocked(case))
    mounted = _mounted(case, C32, NETWORK)
    if not unlocked:
        return mounted
    locked = np.unique(case.analysis.holds["resource"] // len(Slot)).tolist()
    inferred = case.analysis.source.inferred
    together = not inferred and any(database in locked for database, _ in unlocked)
    evidence = (*(one for _, one in unlocked), *mounted.evidence)
    sure: Literal["certain", "likely"] = "certain" if together else "likely"
    return replace(mounted, answer=Answer.YES, evidence=evidence, confidence=sure)


def shared_mount(case: Case) -> Verdict:
    """C33: the database lies on a file system that a virtual machine shares with its host."""
    return _mounted(case, C33, SHARED)


def _unlocked(case: Case) -> Iterator[tuple[int, Evidence]]:
    """The databases that a process wrote to without any lock, and how often."""
    explained = {(loss.pid, loss.database) for loss in find_losses(case.analysis)}
    forked = set(case.analysis.source.forks["child"].tolist())
    written: dict[tuple[int, int], list[Violation]] = {}
    for one in case.violations:
        lost = (case.pid(one.process), case.analysis.source.databases[one.database]) in explained
        if one.breach is not Breach.ESCALATED and not lost and one.process not in forked:
            written.setdefault((one.process, one.database), []).append(one)
    for (_, database), violations in written.items():
        yield database, case.broken(violations[0], ("violations", len(violations)))


def _mounted(case: Case, cause: Cause, what: str) -> Verdict:
    """What a type of file system makes possible, and failed lock calls make certain."""
    source = case.analysis.source
    failed = source.events[source.events["flags"] & FAILED != 0]
    evidence: list[Evidence] = []
    sure = False
    for database, kind in enumerate(source.file_systems):
        fits = unfit(kind) == what
        rows = failed[failed["resource"] // len(Slot) == database]
        if not fits and (unfit(kind) is not None or what != NETWORK or not len(rows)):
            continue
        users = source.events[source.events["resource"] // len(Slot) == database]
        evidence += [_use(case, row, kind, len(rows)) for row in (rows if len(rows) else users)[:1]]
        sure |= len(rows) > 0
    if not evidence:
        return Verdict(cause, Answer.NO)
    broken = np.unique(failed["resource"] // len(Slot)).tolist()
    victims = frozenset(v for v in case.victims if sure and v.database in broken)
    return Verdict(cause, Answer.YES, tuple(evidence), "certain" if sure else "possible", victims)


def _use(case: Case, row: np.void, kind: str, failed: int) -> Evidence:
    source = case.analysis.source
    context = source.contexts[int(row["context"])]
    resource = source.resources[int(row["resource"])]
    began_ns, ended_ns = int(row["began_ns"]), int(row["ended_ns"])
    return Evidence(
        pid=case.pid(int(row["process"])),
        at_s=case.seconds(began_ns),
        seconds=0.0,
        failed=failed > 0,
        resource=resource.title,
        statement=context.statement or None,
        source=context.source or None,
        facts=(
            ("file_system", kind or "unknown"),
            ("failed_lock_calls", failed),
            ("database", source.databases[resource.database]),
        ),
        records=(began_ns, ended_ns),
    )


def foreign_program(case: Case) -> Verdict:
    """C34: the process in the way is one that opens files on its own account.

    What such a program does without a lock cannot be seen from a trace.
    """
    waited = [v for v in case.victims if v.wait >= 0 and not case.inside(v)]
    known = [v for v in waited if v.blocker >= 0 and case.program(v.blocker).lower() in FOREIGN]
    if known:
        return replace(case.verdict(C34, known), confidence="likely")
    if any(victim.blocker < 0 for victim in waited):
        return Verdict(C34, Answer.CANNOT_TELL, confidence="possible", needed=_NEEDED)
    return Verdict(C34, Answer.NO)
