"""One story a victim: from the statement that failed, through its wait and the hold in its way, to
the line that took the lock and the one that gave it back, or should have.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from lockscope.analysis.causes.case import Case
from lockscope.analysis.causes.model import Step, Verdict
from lockscope.analysis.causes.stories import LEFT, HoldStory, union_ns
from lockscope.analysis.causes.victims import Victim
from lockscope.interpret.model import Cause, Events

__all__ = ["chain_of", "with_chains"]

_MOST: Final = 100
"""Victims of a verdict that are told in full; the others are counted."""
_STATEMENTS: Final = 3
"""Statements of a holder that are told: those that took longest."""


def with_chains(case: Case, verdict: Verdict) -> Verdict:
    """A verdict whose weightiest evidence tells the stories of its victims."""
    told = tuple(
        one if one.victim is None else replace(one, chain=chain_of(case, one.victim))
        for one in verdict.evidence[:_MOST]
    )
    return replace(verdict, evidence=told + verdict.evidence[_MOST:])


def chain_of(case: Case, victim: Victim) -> tuple[Step, ...]:
    """The story of a victim, as steps in the order in which a reader asks for them."""
    steps = [_asked(case, victim)]
    if victim.wait >= 0:
        steps.append(_waited(case, victim))
    if victim.blocker >= 0:
        steps += _holder(case, victim)
        steps += _behind(case, victim)
    return tuple(steps)


def _asked(case: Case, victim: Victim) -> Step:
    return _step(
        case,
        "asked",
        victim.process,
        (victim.began_ns, victim.returned_ns),
        victim.context,
        code=victim.code or None,
    )


def _waited(case: Case, victim: Victim) -> Step:
    row = case.analysis.waits[victim.wait]
    resource = case.analysis.source.resources[int(row["resource"])].title
    ended = None if victim.end is None else victim.end.title
    span = (victim.began_ns, victim.ended_ns)
    return _step(
        case,
        "waited",
        victim.process,
        span,
        0,
        resource=resource,
        count=int(row["attempts"]),
        ended=ended,
    )


def _holder(case: Case, victim: Victim) -> Iterator[Step]:
    row, story = case.analysis.holds[victim.blocker], case.story(victim.blocker)
    resource = case.analysis.source.resources[int(row["resource"])].title
    span = (story.began_ns, story.ended_ns)
    yield _step(case, "took", story.process, span, int(row["context"]), resource=resource)
    yield from _meanwhile(case, story, _of_holder(case, victim, story))
    left = story.ended_by in LEFT
    ended = (story.ended_ns, story.ended_ns)
    context = 0 if left else _ending(case, story)
    yield _step(
        case,
        "left" if left else "released",
        story.process,
        ended,
        context,
        resource=resource,
        ended=Cause(story.ended_by).name.lower(),
    )


def _of_holder(case: Case, victim: Victim, story: HoldStory) -> tuple[Events, Events]:
    """The holder's statements and sleeps; in the victim's own process, of other threads alone."""
    source = case.analysis.source
    statements = source.statements[list(story.statements)]
    pauses = case.doings.pauses(story.process, story.began_ns, story.ended_ns)
    if story.process == victim.process:
        return (
            statements[statements["thread"] != victim.thread],
            pauses[pauses["thread"] != victim.thread],
        )
    return statements, pauses


def _meanwhile(case: Case, story: HoldStory, did: tuple[Events, Events]) -> Iterator[Step]:
    """What the holder did while it held the lock, and for how long nothing of it is recorded."""
    statements, pauses = did
    span = (story.began_ns, story.ended_ns)
    yield from _statements(case, story, statements)
    if story.syncs:
        yield _lasted(case, "synced", story, story.sync_ns, story.syncs)
    if len(pauses):
        yield _lasted(case, "slept", story, union_ns(_spans(pauses), *span), len(pauses))
    busy_ns = union_ns([*_spans(statements), *_spans(pauses)], *span)
    idle_ns = story.length_ns - busy_ns
    if idle_ns > 0:
        yield _lasted(case, "nothing", story, idle_ns, None)


def _spans(rows: Events) -> list[tuple[int, int]]:
    return list(zip(rows["began_ns"].tolist(), rows["ended_ns"].tolist(), strict=True))


def _statements(case: Case, story: HoldStory, rows: Events) -> Iterator[Step]:
    began = np.maximum(rows["began_ns"], story.began_ns).astype(np.int64)
    took = np.minimum(rows["ended_ns"], story.ended_ns).astype(np.int64) - began
    contexts, of = np.unique(rows["context"], return_inverse=True)
    total = np.bincount(of, np.maximum(took, 0), len(contexts)).astype(np.int64)
    count = np.bincount(of, minlength=len(contexts))
    for place in np.argsort(-total, kind="stable")[:_STATEMENTS].tolist():
        first = int(began[of == place].min())
        span = (first, first + int(total[place]))
        context = int(contexts[place])
        yield _step(case, "ran", story.process, span, context, count=int(count[place]))


def _lasted(case: Case, what: str, story: HoldStory, lasted_ns: int, count: int | None) -> Step:
    span = (story.began_ns, story.began_ns + lasted_ns)
    return _step(case, what, story.process, span, 0, count=count)


def _ending(case: Case, story: HoldStory) -> int:
    """The statement that was running when a hold ended; 0 where none was."""
    rows = case.analysis.source.statements[
        case.doings.statements(story.process, story.ended_ns, story.ended_ns)
    ]
    return int(rows["context"][0]) if len(rows) else 0


def _behind(case: Case, victim: Victim) -> Iterator[Step]:
    """Whom the holder waited for itself, and so on, to the root blocker."""
    if case.inside(victim):
        return
    for process in case.analysis.chain(victim.wait)[2:]:
        yield _step(case, "behind", process, (victim.began_ns, victim.ended_ns), 0)


def _step(
    case: Case,
    what: str,
    process: int,
    span: tuple[int, int],
    context: int,
    *,
    resource: str | None = None,
    count: int | None = None,
    code: int | None = None,
    ended: str | None = None,
) -> Step:
    found = case.analysis.source.contexts[context]
    return Step(
        what=what,
        pid=case.pid(process),
        at_s=case.seconds(span[0]),
        seconds=(span[1] - span[0]) / 1e9,
        statement=found.statement or None,
        source=found.source or None,
        resource=resource,
        count=count,
        code=code,
        ended=ended,
    )
