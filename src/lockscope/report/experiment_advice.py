"""What to try next after an experiment."""

import shlex
import sqlite3
from typing import Final

from lockscope.lab.audit import Audit, Verdict
from lockscope.lab.plan import Plan
from lockscope.lab.result import Experiment

__all__ = ["next_step"]

_PRIMARY: Final = 0xFF
_UPGRADES: Final = ("C12", "C13", "C14")
"""Causes that no timeout cures and that BEGIN IMMEDIATE does."""


def next_step(experiment: Experiment) -> tuple[str, str]:
    """What to try next: a sentence, and the command line that does it, empty where none does.

    Args:
        experiment: What came of it.
    """
    plan = experiment.plan
    if experiment.interrupted:
        return "let it run to its end:", _command(plan, plan.remedy.name, plan.hold_s)
    if experiment.clean:
        return _after_success(plan)
    wrong = _after_wrong_rows(experiment.audit)
    if wrong:
        return wrong, ""
    if _refused(experiment) and plan.remedy.name not in ("immediate", "textbook"):
        return (
            "take the write lock when the transaction begins, so that nobody is refused half way:",
            _command(plan, "textbook", plan.hold_s),
        )
    if _busy(experiment):
        return _against_busy(plan)
    return "mend the error above and run it again.", ""


def _after_success(plan: Plan) -> tuple[str, str]:
    if plan.hold_s == 0 and plan.remedy.name == "stock":
        command = _command(plan, "stock", 3.0)
        return "stay in each transaction for 3 s, and watch it break:", command
    return "every record arrived; try more processes with --processes, or a longer --hold.", ""


def _after_wrong_rows(audit: Audit) -> str:
    if audit.count(Verdict.LOST):
        return (
            "a record was acknowledged and is absent: look in work() for a rollback or a delete "
            "that undoes it."
        )
    if audit.duplicates or audit.unexpected:
        return (
            "rows are there that nobody should have written: look in work() for a second write, "
            "or a commit of its own."
        )
    if audit.count(Verdict.UNKNOWN_PRESENT, Verdict.UNKNOWN_ABSENT):
        return "look an unknown record up before you write it again: it may be there already."
    return ""


def _refused(experiment: Experiment) -> bool:
    return any(finding.cause in _UPGRADES for finding in experiment.findings)


def _busy(experiment: Experiment) -> bool:
    codes = (attempt.code for attempt in experiment.attempts if attempt.code is not None)
    return any(code & _PRIMARY == sqlite3.SQLITE_BUSY for code in codes)


def _against_busy(plan: Plan) -> tuple[str, str]:
    if plan.hold_s and not plan.remedy.task_first:
        return (
            "move the slow part out of the transaction, so that the lock is held for milliseconds:",
            _command(plan, "short", plan.hold_s),
        )
    if not plan.remedy.outlasts:
        return (
            "wait for longer than all others can hold the lock:",
            _command(plan, "timeout", plan.hold_s),
        )
    return "use fewer processes: even an outlasting timeout was too short.", ""


def _command(plan: Plan, remedy: str, hold_s: float) -> str:
    """The command line that differs from this run's in its remedy and its hold."""
    words = ["lockscope", "run"]
    if plan.workload != "pets":
        words.append(plan.workload)
    options = (
        ("--processes", plan.processes, 3),
        ("--records", plan.records, 2),
        ("--hold", hold_s, 0.0),
        ("--think", plan.think_s, 0.0),
        ("--remedy", remedy, "stock"),
        ("--seed", plan.seed, 0),
    )
    for option, value, default in options:
        if value != default:
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)
