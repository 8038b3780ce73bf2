"""Group E: the locks themselves are broken."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from lockscope.analysis.causes.case import Case, Facts
from lockscope.analysis.causes.model import Answer, Cause, Evidence, Verdict
from lockscope.analysis.causes.victims import Victim
from lockscope.analysis.losses import Loss, find_losses
from lockscope.analysis.removals import RemovedFile, find_removals, removal_sentence
from lockscope.interpret.model import Cause as EndedBy
from lockscope.interpret.model import Events
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import SHM_SLOTS, Slot
from lockscope.trace.kinds import Method

__all__ = ["closed_descriptor", "hot_journal", "inherited_connection", "removed_file"]

C30: Final = Cause(
    "C30",
    "connection carried over fork",
    "no",
    "used a connection that its parent had opened, and with it locks that it does not hold",
    "Open every connection after the fork: in the worker's own start, or by "
    "os.register_at_fork(after_in_child=...); with SQLAlchemy call engine.dispose(close=False) in "
    "the child first.",
    "Record it again: no process may use a connection that another one opened.",
    "A longer timeout changes nothing: the child believes to hold what only its parent holds, and "
    "may damage the database.",
)

C31: Final = Cause(
    "C31",
    "locks lost by closing a descriptor",
    "no",
    "lost its locks by closing another descriptor of the database's file: others may have written "
    "meanwhile",
    "Do not open a database's files beside SQLite in the same process: copy with VACUUM INTO or "
    "the backup API, or read the file from another process.",
    "Record it again: no descriptor of a locked file may be closed but by SQLite.",
)
C35: Final = Cause(
    "C35",
    "rolling back what a crash left behind",
    "yes",
    "had to wait until another one had rolled back the transaction of a program that had died",
    "Let programs end their transactions when they are told to end (SIGTERM), keep transactions "
    "small, and give every connection a busy timeout. Never delete a -journal by hand.",
    "Kill the writer inside its transaction and record the next start: no opener may fail.",
    "Deleting the -journal by hand does not unlock anything: it damages the database.",
)
C36: Final = Cause(
    "C36",
    "a database's file removed while in use",
    "no",
    "took the name from a file of a database that somebody was using",
    "Never unlink, rename or replace the files of a database that somebody has open: change its "
    "content through SQLite (the backup API writes into a live database), or stop all its users "
    "first.",
    "Record it again: no file of the database loses its name while a process uses it.",
)


def inherited_connection(case: Case) -> Verdict:
    """C30: a forked process used a connection of its parent: it did what SQLite's protocol allows
    only to who holds a lock that it had not taken itself, or ran a statement on it.
    """
    carried = dict(_carried(case))
    if not carried:
        return Verdict(C30, Answer.NO)
    victims = frozenset(
        victim
        for victim in case.victims
        if victim.process in carried or _holder_place(case, victim) in carried
    )
    evidence = [
        case.evidence(victim, *_fork_facts(case, carried, victim))
        for victim in sorted(victims, key=lambda one: -one.waited_ns)
    ]
    told = {victim.process for victim in victims} | {_holder_place(case, v) for v in victims}
    evidence += [one for child, one in carried.items() if child not in told]
    broke = any(one.fact("violations") for one in carried.values())
    return Verdict(C30, Answer.YES, tuple(evidence), "certain" if broke else "likely", victims)


def _holder_place(case: Case, victim: Victim) -> int:
    return int(case.analysis.holds["process"][victim.blocker]) if victim.blocker >= 0 else -1


def _fork_facts(case: Case, carried: dict[int, Evidence], victim: Victim) -> Facts:
    child = victim.process if victim.process in carried else _holder_place(case, victim)
    return carried[child].facts


def _carried(case: Case) -> Iterator[tuple[int, Evidence]]:
    """The forked processes that used a connection of their parent, and what shows it."""
    for fork in case.analysis.source.forks:
        child = int(fork["child"])
        used = _used_by(case, int(fork["process"]), int(fork["at_ns"]))
        broken = [one for one in case.violations if one.process == child and one.database in used]
        facts: Facts = (
            ("forked_by", case.pid(int(fork["process"]))),
            ("forked_s", case.seconds(int(fork["at_ns"]))),
            ("violations", len(broken)),
        )
        if broken:
            yield child, case.broken(broken[0], *facts)
        elif (row := _on_inherited(case, fork)) is not None:
            yield child, case.ran(row, *facts)


def _used_by(case: Case, process: int, until_ns: int) -> set[int]:
    """The databases that a process had locked before."""
    holds = case.analysis.holds
    rows = holds[(holds["process"] == process) & (holds["requested_ns"] <= until_ns)]
    resources = case.analysis.source.resources
    return {resources[place].database for place in np.unique(rows["resource"]).tolist()}


def _on_inherited(case: Case, fork: np.void) -> np.void | None:
    """A statement of a child on a connection that its parent had opened; None for none."""
    statements = case.analysis.source.statements
    opened = statements["method"] == Method.CONNECT
    before = opened & (statements["process"] == fork["process"])
    before &= statements["began_ns"] <= fork["at_ns"]
    of_child = statements["process"] == fork["child"]
    inherited = np.setdiff1d(
        statements["connection"][before], statements["connection"][opened & of_child]
    )
    used = of_child & np.isin(statements["connection"], inherited)
    rows = statements[used & (statements["method"] != Method.CLOSE_CONNECTION)]
    return rows[0] if len(rows) else None


def closed_descriptor(case: Case) -> Verdict:
    """C31: a process closed a descriptor of a database's file, and with it lost locks."""
    losses = find_losses(case.analysis)
    if not losses:
        return Verdict(C31, Answer.NO)
    return Verdict(C31, Answer.YES, tuple(_lost(case, loss) for loss in losses))


def _lost(case: Case, loss: Loss) -> Evidence:
    later = [
        one
        for one in case.violations
        if case.pid(one.process) == loss.pid
        and one.at_ns >= loss.at_ns
        and case.analysis.source.databases[one.database] == loss.database
    ]
    return Evidence(
        pid=loss.pid,
        at_s=case.seconds(loss.at_ns),
        seconds=0.0,
        failed=False,
        resource=", ".join(loss.resources),
        statement=loss.statement,
        source=loss.source,
        facts=(
            ("closed_at", loss.origin),
            ("closed_at_line", loss.line),
            ("violations", len(later)),
        ),
        records=(loss.at_ns, loss.at_ns),
    )


def removed_file(case: Case) -> Verdict:
    """C36: a database, its log or its journal was unlinked, renamed or replaced while in use."""
    used = [removed for removed in find_removals(case.analysis) if removed.users]
    if not used:
        return Verdict(C36, Answer.NO)
    evidence = tuple(_taken(case, removed) for removed in used)
    return Verdict(C36, Answer.YES, evidence, "certain" if used[0].resources else "likely")


def _taken(case: Case, removed: RemovedFile) -> Evidence:
    return Evidence(
        pid=removed.pid,
        at_s=case.seconds(removed.at_ns),
        seconds=0.0,
        failed=False,
        resource=", ".join(removed.resources) or None,
        statement=removed.statement,
        source=removed.source,
        facts=(
            ("file", removed.file),
            ("how", removed.how.name.lower()),
            ("other", removed.other),
            ("removed_at", removed.origin),
            ("users", list(removed.users)),
            ("removal", removal_sentence(removed)),
        ),
        records=(removed.at_ns, removed.at_ns),
    )


def hot_journal(case: Case) -> Verdict:
    """C35: the process in the way had taken EXCLUSIVE without RESERVED in a rollback mode, as is
    done to roll back a *hot journal*: one that a process left which died in its transaction.
    """
    unreserved = _unreserved(case)
    facts: dict[Victim, Facts] = {}
    for victim in case.victims if len(unreserved) else ():
        if victim.blocker >= 0 and not case.inside(victim):
            found = _rolled_back(case, victim, unreserved)
            if found is not None:
                facts[victim] = found
    return case.verdict(C35, facts, lambda victim: facts[victim])


def _unreserved(case: Case) -> Events:
    """The holds of EXCLUSIVE that were taken without RESERVED, by time.

    Not of a database that was used in WAL mode: there the last to close it takes EXCLUSIVE alone.
    """
    holds, resources = case.analysis.holds, case.analysis.source.resources
    slots = np.array([resource.slot for resource in resources], np.int64)
    used = np.unique(holds["resource"])
    logged = np.unique(used[np.isin(slots, SHM_SLOTS)[used]] // len(Slot))
    exclusive = (holds["mode"] == LockMode.EXCLUSIVE) & (slots == Slot.SHARED)[holds["resource"]]
    rows = holds.take(np.flatnonzero(exclusive))
    rows = rows.take(np.flatnonzero(~np.isin(rows["resource"] // len(Slot), logged)))
    reserved = (rows["resource"] - Slot.SHARED + Slot.RESERVED).astype(np.uint32)
    return rows.take(np.flatnonzero(case.index.at(rows["process"], reserved, rows["began_ns"]) < 0))


def _rolled_back(case: Case, victim: Victim, unreserved: Events) -> Facts | None:
    """Whose transaction the process in the way rolled back meanwhile; None where it did not."""
    blocker = case.analysis.holds[victim.blocker]
    own = unreserved[
        (unreserved["process"] == blocker["process"])
        & (unreserved["resource"] == victim.database * len(Slot) + Slot.SHARED)
        & (unreserved["requested_ns"] <= victim.ended_ns)
        & (unreserved["released_ns"] >= victim.began_ns)
    ]
    if not len(own) or int(blocker["resource"]) // len(Slot) != victim.database:
        return None
    began_ns = int(own["began_ns"][0])
    died = _died_writing(case, victim.database, began_ns)
    return (
        None
        if died is None
        else (("died_pid", died), ("roll_back_began_s", case.seconds(began_ns)))
    )


def _died_writing(case: Case, database: int, until_ns: int) -> int | None:
    """The pid of the process that died last with RESERVED on a database; None where none did."""
    holds = case.analysis.holds
    left = holds[
        (holds["resource"] == database * len(Slot) + Slot.RESERVED)
        & np.isin(holds["cause"], (EndedBy.KILLED, EndedBy.EXIT))
        # An end is seen late; that another one was granted EXCLUSIVE proves it earlier.
        & (holds["began_ns"] <= until_ns)
    ]
    return case.pid(int(left["process"][-1])) if len(left) else None
