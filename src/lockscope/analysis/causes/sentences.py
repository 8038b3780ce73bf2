"""Verdicts in words."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Final

from lockscope.analysis.causes.model import Evidence, Step, Verdict
from lockscope.analysis.model import Finding

__all__ = ["finding"]

_EXAMPLES: Final = 100
"""Occurrences that a finding tells; the others are counted."""


def finding(verdict: Verdict) -> Finding:
    """A verdict that says yes, as people and documents tell it."""
    cause = verdict.cause
    return Finding(
        cause=cause.id,
        title=cause.title,
        confidence=verdict.confidence,
        count=len(verdict.evidence),
        timeout_helps=cause.timeout_helps,
        evidence=tuple(_told(one) for one in verdict.evidence[:_EXAMPLES]),
        remedy=cause.remedy,
        sentence=_sentence(verdict),
        proof=cause.proof,
        not_this=cause.not_this,
    )


def _told(one: Evidence) -> dict[str, object]:
    told = asdict(replace(one, victim=None, chain=()))
    for name in ("facts", "records", "victim", "chain"):
        del told[name]
    chain = [_step(step) for step in one.chain]
    return {**told, **dict(one.facts), "records_ns": list(one.records), "chain": chain}


def _step(step: Step) -> dict[str, object]:
    return {name: value for name, value in asdict(step).items() if value is not None}


def _sentence(verdict: Verdict) -> str:
    first, count = verdict.evidence[0], len(verdict.evidence)
    times = "once" if count == 1 else f"{count} times"
    own = _OWN.get(verdict.cause.id)
    if own is not None:
        return own(first, times)
    where = f" at {first.source}" if first.source else ""
    holder = f", held by process {first.holder_pid}" if first.holder_pid else ""
    place = f" at {first.holder_source}" if first.holder_source else ""
    return (
        f"A process {verdict.cause.meaning}, {times}: above all process {first.pid}{where}{holder}"
        f"{place}."
    )


def _lost(first: Evidence, times: str) -> str:
    place = first.fact("closed_at_line") or first.fact("closed_at")
    at = f", at {place}" if place else ""
    return (
        f"Process {first.pid} lost {first.resource} by closing another descriptor of the file{at}, "
        f"{times}: others may have written meanwhile."
    )


def _taken(first: Evidence, times: str) -> str:
    return (
        f"{first.fact('removal')} Whoever has the file open goes on with it, and its locks keep "
        f"nobody out who opens the path now: {times}."
    )


def _carried(first: Evidence, times: str) -> str:
    where = f" at {first.source}" if first.source else ""
    did = f": it {first.fact('did')} without the lock" if first.fact("did") else ""
    return (
        f"Process {first.pid} used{where} a connection that process {first.fact('forked_by')} had "
        f"opened before it forked{did}, {times}. Locks are not inherited, but SQLite's memory says "
        "that they are held."
    )


def _excludes_nobody(first: Evidence, times: str) -> str:
    where = f" at {first.source}" if first.source else ""
    if first.fact("did"):
        return (
            f"Process {first.pid} {first.fact('did')}{where} without holding any lock, {times}: "
            "nobody is kept out while it writes."
        )
    failed = first.fact("failed_lock_calls")
    what = f"{failed} lock calls failed" if failed else "other machines may not see the locks"
    return (
        f"{first.fact('database')} lies on a file system of type {first.fact('file_system')}: "
        f"{what}."
    )


_OWN: Final[dict[str, Callable[[Evidence, str], str]]] = {
    "C30": _carried,
    "C31": _lost,
    "C32": _excludes_nobody,
    "C33": _excludes_nobody,
    "C36": _taken,
}
"""Causes of which more is to be said than who waited for whom."""
