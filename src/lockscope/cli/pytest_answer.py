"""The answer to what happened to one test, given by a child process of the session's."""

import io
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from lockscope.analysis import analyse
from lockscope.analysis.excerpt import Span, excerpt, family, own_part
from lockscope.analysis.gates import Gates, check_gates
from lockscope.errors import LockscopeError
from lockscope.interpret import interpret
from lockscope.report.terminal import render_troubles
from lockscope.trace.reader import read_trace

__all__ = ["Question", "answer"]


@dataclass(frozen=True, slots=True)
class Question:
    """What happened to a test.

    Attributes:
        trace: The trace's folder, while it is being written.
        pid: The process that runs the test.
        alone: Whether all processes in the trace are the test session's.
        since_ns: When the test began, on CLOCK_MONOTONIC.
        began_ns: When the part of it began that this is about.
        ended_ns: When that ended, and this was asked.
        kinds: What its budget forbids, as `analysis.gates.Gates.kinds`.
        max_hold_s: As `Gates` has it.
        max_wait_s: As `Gates` has it.
    """

    trace: str
    pid: int
    alone: bool
    since_ns: int
    began_ns: int
    ended_ns: int
    kinds: list[str]
    max_hold_s: float | None
    max_wait_s: float | None


def answer() -> None:
    """Read the question from standard input and write the answer to standard output, as JSON."""
    question = Question(**json.load(sys.stdin))
    try:
        told, broken, why = *_answer(question), ""
    except LockscopeError as error:
        told, broken, why = "", [], str(error)
    json.dump({"told": told, "broken": broken, "error": why}, sys.stdout)


def _answer(question: Question) -> tuple[str, list[str]]:
    trace = read_trace(Path(question.trace))
    # The recording goes on: what is held now is held until now, not until the last record.
    trace = replace(trace, manifest=replace(trace.manifest, ended_ns=question.ended_ns))
    analysis = analyse(interpret(trace))
    span = Span(question.began_ns, question.ended_ns)
    processes = analysis.source.processes
    pids = family(processes, None if question.alone else question.pid)
    part = excerpt(analysis, span, pids)
    out = io.StringIO()
    render_troubles(replace(trace, records=trace.records[:0]), part, out)
    gates = Gates(tuple(question.kinds), question.max_hold_s, question.max_wait_s)
    results = check_gates(own_part(part, span, question.since_ns, pids), gates)
    broken = [f"{result.gate}: {sentence}" for result in results for sentence in result.broken]
    return out.getvalue().strip("\n"), broken
