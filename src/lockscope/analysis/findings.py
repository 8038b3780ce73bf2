"""Findings: causes of "database is locked" that the waits of a trace show, each with its evidence.

A rule takes the analysis and gives the waits (or failed statements) that show its cause, as data;
the sentence is made last. A wait shows one cause only: the rules are asked in turn.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from lockscope.analysis.index import HoldIndex
from lockscope.analysis.model import Analysis, Finding, WaitEnd
from lockscope.locks.sqlite import Slot

__all__ = ["find_causes"]

_EXAMPLES: Final = 3
_BUSY_SNAPSHOT: Final = 517
"""SQLITE_BUSY_SNAPSHOT, `sqlite3.h`."""
_ONE_STATEMENT_NS: Final = 1_000_000
"""A statement that is refused takes its read lock microseconds before and gives it back
microseconds after (`btree.c`, sqlite3BtreeBeginTrans); a read lock that lasted longer belongs to
the transaction."""


@dataclass(frozen=True, slots=True)
class _Cause:
    """What is the same in every finding of a cause."""

    id: str
    title: str
    timeout_helps: Literal["yes", "no", "partly"]
    remedy: str
    meaning: str


_BEGIN_IMMEDIATE: Final = (
    "Begin a transaction that will write with BEGIN IMMEDIATE; otherwise roll back and repeat all "
    "of it."
)
_NO_TIMEOUT: Final = _Cause(
    "C01",
    "no busy timeout",
    "yes",
    "Set a busy timeout on every connection: connect(timeout=5), or PRAGMA busy_timeout=5000 first "
    "of all.",
    "was refused at once because its connection has no busy timeout",
)
_LONG_TRANSACTION: Final = _Cause(
    "C02",
    "long write transaction",
    "partly",
    "Move the slow part out of the transaction, or commit in smaller steps; a longer timeout helps "
    "only beyond the longest hold.",
    "gave up because another process kept the lock for longer than the timeout",
)
_UPGRADE: Final = _Cause(
    "C12",
    "refused lock upgrade",
    "no",
    _BEGIN_IMMEDIATE,
    "had read in its transaction and was refused the write lock at once, since waiting would have "
    "been a deadlock",
)
_WAL_UPGRADE: Final = _Cause(
    "C13",
    "refused lock upgrade in WAL mode",
    "no",
    _BEGIN_IMMEDIATE,
    "had read in its transaction and was refused the write lock at once while another process was "
    "writing",
)
_STALE_SNAPSHOT: Final = _Cause(
    "C14",
    "write from a stale snapshot",
    "no",
    _BEGIN_IMMEDIATE,
    "wanted to write although others had committed since it first read",
)

_UPGRADES: Final = {Slot.RESERVED: _UPGRADE, Slot.WAL_WRITE: _WAL_UPGRADE}
_READS: Final[dict[int, tuple[Slot, ...]]] = {
    Slot.RESERVED: (Slot.SHARED,),
    Slot.WAL_WRITE: tuple(slot for slot in Slot if slot.name.startswith("WAL_READ")),
}
"""The read locks of a transaction that wants a write lock."""

Evidence = dict[str, object]


def find_causes(analysis: Analysis) -> tuple[Finding, ...]:
    """The findings of an analysis, the most frequent first."""
    evidence: dict[str, list[Evidence]] = {}
    causes: dict[str, _Cause] = {}
    for cause, example in (*_of_waits(analysis), *_of_statements(analysis)):
        causes[cause.id] = cause
        evidence.setdefault(cause.id, []).append(example)
    findings = [_finding(causes[id_], examples) for id_, examples in evidence.items()]
    return tuple(sorted(findings, key=lambda finding: (-finding.count, finding.cause)))


def _of_waits(analysis: Analysis) -> Iterator[tuple[_Cause, Evidence]]:
    index = HoldIndex(analysis.holds)
    inside = analysis.waits["inside"].tolist()
    for wait, end in enumerate(analysis.waits["end"].tolist()):
        cause = None
        if inside[wait]:
            continue  # these causes are about other processes
        if end == WaitEnd.REFUSED:
            cause = _refused(analysis, index, wait)
        elif end == WaitEnd.TIMED_OUT:
            cause = _lasted(analysis, wait)
        if cause is not None:
            yield cause, _wait_evidence(analysis, wait)


def _refused(analysis: Analysis, index: HoldIndex, wait: int) -> _Cause:
    """The cause of a refusal: an upgrade where the process already read, else no timeout."""
    if not _read_before(analysis, index, wait):
        return _NO_TIMEOUT
    wanted = analysis.source.resources[int(analysis.waits["resource"][wait])]
    return _UPGRADES[Slot(wanted.slot)]


def _read_before(analysis: Analysis, index: HoldIndex, wait: int) -> bool:
    """Whether the waiter held a read lock on the database from an earlier statement."""
    row, resources = analysis.waits[wait], analysis.source.resources
    wanted = resources[int(row["resource"])]
    moment = row["began_ns"].reshape(1)
    for place, resource in enumerate(resources):
        if resource.database == wanted.database and resource.slot in _READS.get(wanted.slot, ()):
            [hold] = index.at(int(row["process"]), place, moment)
            if hold >= 0 and _is_older(analysis.holds[hold], row):
                return True
    return False


def _is_older(hold: np.void, wait: np.void) -> bool:
    if hold["context"] and wait["context"] and hold["context"] != wait["context"]:
        return True
    before = int(wait["began_ns"]) - int(hold["began_ns"])
    after = int(hold["ended_ns"]) - int(wait["ended_ns"])
    return max(before, after) >= _ONE_STATEMENT_NS


def _lasted(analysis: Analysis, wait: int) -> _Cause | None:
    """The cause of a timeout: a long transaction, if one hold was in the way for most of it."""
    row = analysis.waits[wait]
    blocks = analysis.blocks[slice(*np.searchsorted(analysis.blocks["wait"], [wait, wait + 1]))]
    waited = int(row["ended_ns"] - row["began_ns"])
    longest = max(blocks["overlap_ns"].tolist(), default=0)
    return _LONG_TRANSACTION if longest * 2 >= waited else None


def _of_statements(analysis: Analysis) -> Iterator[tuple[_Cause, Evidence]]:
    statements = analysis.source.statements
    for row in statements[statements["error"] == _BUSY_SNAPSHOT]:
        context = analysis.source.contexts[int(row["context"])]
        yield (
            _STALE_SNAPSHOT,
            {
                "pid": analysis.source.processes[int(row["process"])].pid,
                "statement": context.statement or None,
                "source": context.source or None,
                "waited_s": 0.0,
            },
        )


def _wait_evidence(analysis: Analysis, wait: int) -> Evidence:
    row, source = analysis.waits[wait], analysis.source
    context = source.contexts[int(row["context"])]
    blockers = analysis.blockers(wait)
    return {
        "pid": source.processes[int(row["process"])].pid,
        "resource": source.resources[int(row["resource"])].title,
        "statement": context.statement or None,
        "source": context.source or None,
        "waited_s": int(row["ended_ns"] - row["began_ns"]) / 1e9,
        "holder_pid": blockers[0].pid if blockers else None,
        "holder_statement": blockers[0].statement if blockers else None,
        "holder_source": blockers[0].source if blockers else None,
    }


def _finding(cause: _Cause, examples: list[Evidence]) -> Finding:
    examples = sorted(examples, key=lambda example: -_seconds(example))
    times = "once" if len(examples) == 1 else f"{len(examples)} times"
    first = examples[0]
    where = f" at {first['source']}" if first.get("source") else ""
    holder = f", held by process {first['holder_pid']}" if first.get("holder_pid") else ""
    place = f" at {first['holder_source']}" if first.get("holder_source") else ""
    return Finding(
        cause=cause.id,
        title=cause.title,
        confidence="certain" if first.get("source") else "likely",
        count=len(examples),
        timeout_helps=cause.timeout_helps,
        evidence=tuple(examples[:_EXAMPLES]),
        remedy=cause.remedy,
        sentence=(
            f"A process {cause.meaning}, {times}: above all process {first['pid']}{where}{holder}"
            f"{place}."
        ),
    )


def _seconds(example: Evidence) -> float:
    waited = example["waited_s"]
    return waited if isinstance(waited, float) else 0.0
