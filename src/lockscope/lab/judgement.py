"""The judgement of a run's trace: what each attempt waited and for whom, and the causes.

A module of its own because numpy comes with it: the lab imports it while the workers start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lockscope.analysis import analyse
from lockscope.analysis.model import Blame, Finding
from lockscope.errors import LockscopeError
from lockscope.interpret import interpret
from lockscope.lab.attempts import Attempt
from lockscope.trace.reader import read_trace

__all__ = ["Judgement", "judge"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a trace says of the attempts.

    Attributes:
        blames: Of each attempt, in their order.
        findings: The causes, the weightiest first.
        notes: What the trace does not hold although it happened.
    """

    blames: tuple[Blame, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def judge(trace: Path, attempts: Sequence[Attempt]) -> Judgement:
    """Analyse a trace and look up each attempt in it.

    Args:
        trace: The trace's folder.
        attempts: What to look up.
    """
    try:
        analysis = analyse(interpret(read_trace(trace)))
    except (LockscopeError, OSError) as error:
        # What was committed and what is missing is known all the same, and must be told.
        note = f"The trace could not be analysed, so nobody is blamed: {error}"
        return Judgement((Blame(0, ()),) * len(attempts), (), (note,))
    blames = tuple(
        analysis.blame(attempt.pid, attempt.began_ns, attempt.ended_ns) for attempt in attempts
    )
    gaps = tuple(dict.fromkeys(gap.sentence for gap in analysis.source.gaps))
    return Judgement(blames, analysis.findings, gaps)
