"""An excerpt: the part of an analysis that lies in a span of time and concerns some processes."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.causes import diagnose, findings_of
from lockscope.analysis.causes.model import Answer, Evidence
from lockscope.analysis.causes.victims import LOCK_CODES
from lockscope.analysis.model import BLOCK, Analysis, Deadlock, Edge, Finding
from lockscope.interpret.model import Events, Interpretation
from lockscope.trace.model import Gap, Process

__all__ = ["Span", "excerpt", "family", "own_part"]


@dataclass(frozen=True, slots=True)
class Span:
    """From `began_ns` to `ended_ns`, on the trace's clock."""

    began_ns: int
    ended_ns: int

    def touches(self, began_ns: int, ended_ns: int) -> bool:
        """Whether something else lasted in it at any moment."""
        return began_ns <= self.ended_ns and ended_ns >= self.began_ns

    def touched_by(self, rows: Events) -> NDArray[np.bool_]:
        """The same for rows with `began_ns` and `ended_ns`."""
        touched: NDArray[np.bool_] = (rows["began_ns"] <= self.ended_ns) & (
            rows["ended_ns"] >= self.began_ns
        )
        return touched


def family(processes: Iterable[Process], pid: int | None) -> frozenset[int]:
    """The pids of a process and of all that descend from it, as far as the trace knows parents.

    A parent that had nothing to do with a database is not in the trace, and its own parent is not
    known.

    Args:
        processes: Those of the trace.
        pid: Whose; None for all that were recorded.
    """
    recorded = [process for process in processes if process.watched and process.recorded]
    if pid is None:
        return frozenset(process.pid for process in recorded)
    found, before = {pid}, 0
    while len(found) > before:
        before = len(found)
        found |= {process.pid for process in recorded if process.parent in found}
    return frozenset(found)


def excerpt(analysis: Analysis, span: Span, pids: Collection[int]) -> Analysis:
    """What happened to some processes, or because of them, in a span of time.

    The holds stay: whoever stood in the way may be anybody. Of the statements those stay that
    failed for a lock. A finding stays with the evidence that
    lies in the span and names one of the processes, as the victim or as the holder.

    Args:
        analysis: All of it.
        span: When.
        pids: The processes.
    """
    ours = _places(analysis.source, pids)
    deadlocks = [
        deadlock
        for deadlock in analysis.deadlocks
        if span.touches(deadlock.at_ns, deadlock.at_ns) and ours.intersection(deadlock.processes)
    ]
    chosen = span.touched_by(analysis.waits) & np.isin(analysis.waits["process"], list(ours))
    chosen[[wait for deadlock in deadlocks for wait in deadlock.waits]] = True
    rank = np.cumsum(chosen) - 1
    blocks = analysis.blocks[chosen[analysis.blocks["wait"]]]
    blocks["wait"] = rank[blocks["wait"]]
    return replace(
        analysis,
        source=_source(analysis.source, span, pids, ours),
        waits=analysis.waits[chosen],
        blocks=blocks,
        edges=tuple(_edge(edge, rank) for edge in analysis.edges if chosen[edge.wait]),
        deadlocks=tuple(_deadlock(deadlock, rank) for deadlock in deadlocks),
        findings=_findings(analysis, span, pids),
    )


def own_part(part: Analysis, span: Span, since_ns: int, pids: Collection[int]) -> Analysis:
    """What of an excerpt the processes did themselves, for gates: the holds and waits that they
    began since some moment, as far as they lasted in the span, without who was in the way.

    Args:
        part: As `excerpt` gives it.
        span: When.
        since_ns: What began before is not reckoned to them.
        pids: The processes.
    """
    ours = list(_places(part.source, pids))
    holds, waits = (
        _clipped(rows[(rows["began_ns"] >= since_ns) & np.isin(rows["process"], ours)], span)
        for rows in (part.holds, part.waits)
    )
    return replace(part, holds=holds, waits=waits, blocks=np.zeros(0, BLOCK), edges=())


def _clipped(rows: Events, span: Span) -> Events:
    touched = rows[span.touched_by(rows)]
    touched["began_ns"] = np.maximum(touched["began_ns"], span.began_ns)
    touched["ended_ns"] = np.minimum(touched["ended_ns"], span.ended_ns)
    return touched


def _places(source: Interpretation, pids: Collection[int]) -> frozenset[int]:
    return frozenset(place for place, process in enumerate(source.processes) if process.pid in pids)


def _source(
    source: Interpretation, span: Span, pids: Collection[int], ours: Collection[int]
) -> Interpretation:
    statements = source.statements
    failed = np.isin(statements["error"], LOCK_CODES)
    kept = failed & span.touched_by(statements) & np.isin(statements["process"], list(ours))
    others = family(source.processes, None).difference(pids)
    return replace(
        source,
        statements=statements[kept],
        gaps=tuple(gap for gap in source.gaps if _concerns(gap, span, others)),
    )


def _concerns(gap: Gap, span: Span, others: Collection[int]) -> bool:
    """Whether something may be missing of the processes: also where nobody is known to whom it
    belongs.
    """
    return gap.began_ns <= span.ended_ns and gap.pid not in others


def _edge(edge: Edge, rank: NDArray[np.int64]) -> Edge:
    return replace(edge, wait=int(rank[edge.wait]))


def _deadlock(deadlock: Deadlock, rank: NDArray[np.int64]) -> Deadlock:
    return replace(deadlock, waits=tuple(int(rank[wait]) for wait in deadlock.waits))


def _findings(analysis: Analysis, span: Span, pids: Collection[int]) -> tuple[Finding, ...]:
    return findings_of(
        replace(verdict, evidence=evidence)
        for verdict in diagnose(analysis)
        if verdict.answer is Answer.YES
        and (evidence := tuple(one for one in verdict.evidence if _lies_in(one, span, pids)))
    )


def _lies_in(one: Evidence, span: Span, pids: Collection[int]) -> bool:
    return span.touches(*one.records) and (one.pid in pids or one.holder_pid in pids)
