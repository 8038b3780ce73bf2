"""Gates: what a trace may not show, for continuous integration."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lockscope.analysis.causes.victims import LOCK_CODES
from lockscope.analysis.model import Analysis, WaitEnd
from lockscope.interpret.model import Events
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot

__all__ = ["KINDS", "Gates", "Result", "check_gates"]

_UNSAFE: Final = ("C30", "C31", "C32", "C33", "C36")
"""Causes by which data is lost, not only time."""
_WRITING: Final = (Slot.PENDING, Slot.RESERVED, Slot.SHARED, Slot.WAL_WRITE)

KINDS: Final = (
    ("finding", "any cause was found"),
    ("failed", "a statement failed, or a wait ended in vain, for a lock"),
    ("deadlock", "processes waited for each other in a circle"),
    ("unsafe", "locks were lost, or did not protect the data: C30 to C33, C36"),
    ("gap", "something could not be recorded: a gate must not pass for want of records"),
)
"""What a gate may be about, beside the causes C01 to C36."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What a trace may not show.

    Attributes:
        kinds: Names of `KINDS`, and causes such as `C12`.
        max_hold_s: The longest that a write lock may be held, in seconds; None for no limit.
        max_wait_s: The longest that anybody may wait, in seconds; None for no limit.
    """

    kinds: tuple[str, ...] = ()
    max_hold_s: float | None = None
    max_wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one gate.

    Attributes:
        gate: As it was asked for: `C12`, `max-hold 200ms`.
        broken: Why it is broken, a sentence each; empty where it holds.
    """

    gate: str
    broken: tuple[str, ...]


def check_gates(analysis: Analysis, gates: Gates) -> tuple[Result, ...]:
    """What became of each gate, in the order in which they were asked for."""
    results = [Result(kind, _of_kind(analysis, kind)) for kind in gates.kinds]
    if gates.max_hold_s is not None:
        results.append(_within(analysis, _writing(analysis), "hold", gates.max_hold_s))
    if gates.max_wait_s is not None:
        results.append(_within(analysis, analysis.waits, "wait", gates.max_wait_s))
    return tuple(results)


def _of_kind(analysis: Analysis, kind: str) -> tuple[str, ...]:
    if kind == "deadlock":
        return tuple(_cycle(analysis, deadlock.processes) for deadlock in analysis.deadlocks)
    if kind == "gap":
        return tuple(gap.sentence for gap in analysis.source.gaps)
    if kind == "failed":
        return _failed(analysis)
    wanted = _UNSAFE if kind == "unsafe" else (kind,)
    return tuple(
        f"{finding.cause} {finding.title}: {finding.sentence}"
        for finding in analysis.findings
        if kind == "finding" or finding.cause in wanted
    )


def _cycle(analysis: Analysis, processes: tuple[int, ...]) -> str:
    pids = " and ".join(str(analysis.source.processes[place].pid) for place in processes)
    return f"Processes {pids} waited for each other."


def _failed(analysis: Analysis) -> tuple[str, ...]:
    in_vain = np.isin(analysis.waits["end"], (WaitEnd.REFUSED, WaitEnd.TIMED_OUT))
    errors = int(np.isin(analysis.source.statements["error"], LOCK_CODES).sum())
    waits = int(in_vain.sum())
    if not waits and not errors:
        return ()
    return (f"Waits that ended in vain: {waits}; statements that failed for a lock: {errors}.",)


def _writing(analysis: Analysis) -> Events:
    slots = np.array([resource.slot for resource in analysis.source.resources], np.int64)
    holds = analysis.holds
    writing: Events = holds[
        (holds["mode"] == LockMode.EXCLUSIVE) & np.isin(slots[holds["resource"]], _WRITING)
    ]
    return writing


def _within(analysis: Analysis, rows: Events, what: str, most_s: float) -> Result:
    length_s = (rows["ended_ns"] - rows["began_ns"]) / 1e9
    over = rows[length_s > most_s]
    name = f"max-{what} {most_s:g} s"
    if not len(over):
        return Result(name, ())
    worst = over[np.argmax(over["ended_ns"] - over["began_ns"])]
    context = analysis.source.contexts[int(worst["context"])]
    at = f" at {context.source}" if context.source else ""
    longest_s = int(worst["ended_ns"] - worst["began_ns"]) / 1e9
    pid = analysis.source.processes[int(worst["process"])].pid
    resource = analysis.source.resources[int(worst["resource"])].title
    did = "held" if what == "hold" else "waited for"
    sentence = (
        f"Process {pid} {did} {resource} for {longest_s:.3g} s{at}, and {len(over)} "
        f"{what}{'s' * (len(over) > 1)} in all lasted longer than {most_s:g} s."
    )
    return Result(name, (sentence,))
