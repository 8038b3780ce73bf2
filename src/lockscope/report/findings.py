"""Findings on the terminal: what, the three most useful facts, what to try, and how to check it."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.markup import escape

from lockscope.analysis import Finding
from lockscope.interpret.model import Cause
from lockscope.report.json import ENDED_BY
from lockscope.report.phrases import count, relative, seconds, short

__all__ = ["finding_lines"]

_MOST: Final = 3
"""Facts of a finding that are told unless all are asked for."""
_TOLD: Final = (
    "pid", "at_s", "seconds", "failed", "resource", "statement", "source", "holder_pid",
    "holder_statement", "holder_source", "records_ns", "chain",
    "did",
)  # fmt: skip
"""What the sentence or the steps say already."""
_SPECIAL: Final = 2
"""Facts of the cause itself that come before those of the hold."""
_WORDS: Final = {
    "asked": "asked",
    "waited": "waited for",
    "took": "took",
    "ran": "ran",
    "synced": "synced files",
    "slept": "slept",
    "nothing": "did nothing that is recorded",
    "released": "gave back",
    "left": "left without ending its transaction",
    "behind": "was in the way of the holder",
}
"""What a step is called."""
_DID: Final = {"ran": "ran statements", "synced": "synced files", "slept": "slept"}

Told = dict[str, Any]
"""An occurrence, or one step of it, as documents tell it."""


def finding_lines(
    findings: Sequence[Finding], folder: str, *, everything: bool = False
) -> Iterator[str]:
    """The lines of some findings.

    Args:
        findings: The weightiest first.
        folder: From where source lines are told.
        everything: Every occurrence, step by step.
    """
    for finding in findings:
        yield (
            f"\n[bold red]{finding.cause} {finding.title}[/] ({count(finding.count, 'time')}, "
            f"{finding.confidence}; would a longer timeout help: {finding.timeout_helps})"
        )
        yield f"  {escape(relative(finding.sentence, folder, anywhere=True))}"
        if everything:
            yield from _everything(finding, folder)
        elif finding.evidence:
            yield from (f"  - {fact}" for fact in _facts(finding.evidence[0], folder)[:_MOST])
        yield f"  [bold]Try:[/] {escape(finding.remedy)}"
        if finding.proof:
            yield f"  [bold]Then:[/] {escape(finding.proof)}"
        if finding.not_this:
            yield f"  [bold]Not this:[/] {escape(finding.not_this)}"
    if findings:
        yield f"\n`lockscope report --explain {findings[0].cause}` tells how to mend it, with code."


def _facts(one: Told, folder: str) -> list[str]:
    """The facts of an occurrence, the most useful first: what is so only where there is this cause,
    then who took the lock, what was done meanwhile and who gave it back, then numbers.
    """
    own = [
        (name, f"{_name(name)}: {escape(_value(name, value))}")
        for name, value in one.items()
        if name not in _TOLD and value not in (None, "", [])
    ]
    special = [fact for name, fact in own if not name.startswith("held_")]
    numbers = [fact for name, fact in own if name.startswith("held_")]
    return [*special[:_SPECIAL], *_of_hold(one["chain"], folder), *special[_SPECIAL:], *numbers]


def _of_hold(chain: list[Told], folder: str) -> Iterator[str]:
    for step in chain:
        if step["what"] == "took":
            yield (
                f"{step['pid']} took {escape(step['resource'])}{_place(step, folder)} and held it "
                f"for {seconds(step['seconds'])}"
            )
            yield f"meanwhile it {_meanwhile(chain)}"
        if step["what"] in ("released", "left"):
            yield _ended(step, folder)


def _meanwhile(chain: list[Told]) -> str:
    lasted = dict.fromkeys(_DID.values(), 0.0)
    for step in chain:
        if step["what"] in _DID:
            lasted[_DID[step["what"]]] += step["seconds"]
    told = [f"{word} for {seconds(time)}" for word, time in lasted.items() if time]
    idle = sum(step["seconds"] for step in chain if step["what"] == "nothing")
    told += [f"did nothing that is recorded for {seconds(idle)}"] * bool(idle)
    return ", ".join(told) or "did nothing that is recorded"


def _ended(step: Told, folder: str) -> str:
    how = ENDED_BY[Cause[str(step["ended"]).upper()]]
    if step["what"] == "left":
        return f"it never ended its transaction: the lock went with its {how}"
    return f"it gave the lock back{_place(step, folder)}, by {how}"


def _place(step: Told, folder: str) -> str:
    source, statement = step.get("source"), step.get("statement")
    at = f" at {escape(relative(source, folder))}" if source else ""
    return at + (f" ({escape(short(statement))})" if statement else "")


def _name(name: str) -> str:
    return name.removesuffix("_s").replace("_", " ")


def _value(name: str, value: object) -> str:
    if isinstance(value, float):
        return seconds(value) if name.endswith("_s") else f"{value:.3g}"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _everything(finding: Finding, folder: str) -> Iterator[str]:
    occurrences: tuple[Told, ...] = finding.evidence
    for number, one in enumerate(occurrences, 1):
        yield f"  [bold]{number}.[/] {_whom(one, folder)}"
        yield from (f"     {_step(step, folder)}" for step in one["chain"])
        yield from (f"     - {fact}" for fact in _facts({**one, "chain": []}, folder))
    if finding.count > len(finding.evidence):
        yield f"  and {finding.count - len(finding.evidence):,} more"


def _whom(one: Told, folder: str) -> str:
    what = f" {escape(one['resource'])}" if one["resource"] else ""
    return f"{one['pid']} after {seconds(one['at_s'])}{what}{_place(one, folder)}"


def _step(step: Told, folder: str) -> str:
    words = [f"{seconds(step['at_s'])}: {step['pid']} {_WORDS[step['what']]}"]
    if step.get("resource"):
        words.append(escape(step["resource"]))
    if step["seconds"]:
        words.append(f"for {seconds(step['seconds'])}")
    if step.get("count", 1) != 1:
        words.append(f"{step['count']:,} times")
    if step.get("code"):
        words.append(f"with code {step['code']}")
    if step.get("ended"):
        words.append(f"({step['ended'].replace('_', ' ')})")
    return " ".join(words) + _place(step, folder)
