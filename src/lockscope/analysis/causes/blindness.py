"""Verdicts on processes of which records are missing: less sure, and saying so."""

from dataclasses import replace
from typing import Final, Literal

from lockscope.analysis.causes.case import Case
from lockscope.analysis.causes.model import Answer, Evidence, Verdict
from lockscope.trace.model import Gap

__all__ = ["with_gaps"]

_LESS: Final[dict[str, Literal["likely", "possible"]]] = {
    "certain": "likely",
    "likely": "possible",
    "possible": "possible",
}


def with_gaps(case: Case, verdict: Verdict) -> Verdict:
    """A verdict, less sure where a gap had begun in every occurrence of it.

    What a process did that recorded nothing at all is not missing from its records: it was seen by
    sampling, and is judged by that.
    """
    source = case.analysis.source
    sampled = {process.pid for process in source.processes if not process.recorded}
    gaps: dict[int, Gap] = {}
    for gap in sorted(source.gaps, key=lambda gap: gap.began_ns, reverse=True):
        if gap.pid and gap.pid not in sampled:
            gaps[gap.pid] = gap
    if verdict.answer is not Answer.YES or not gaps:
        return verdict
    evidence = tuple(_marked(one, gaps) for one in verdict.evidence)
    all_marked = all(new is not old for new, old in zip(evidence, verdict.evidence, strict=True))
    confidence = _LESS[verdict.confidence] if all_marked else verdict.confidence
    return replace(verdict, evidence=evidence, confidence=confidence)


def _marked(one: Evidence, gaps: dict[int, Gap]) -> Evidence:
    for pid in (one.pid, one.holder_pid):
        gap = gaps.get(pid or 0)
        if gap is not None and gap.began_ns <= one.records[1]:
            return replace(one, facts=(*one.facts, ("missing", gap.sentence)))
    return one
