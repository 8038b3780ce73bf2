"""A test session under `pytest --lockscope`: what happened to each failing test, and its budget.

The tested process only notes when a test began. A child process without the recorder reads the
trace, so that neither numpy nor an analysis runs beside the tests, and only for a test that failed
or has a budget.
"""

import json
import os
import time
from argparse import ArgumentTypeError
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from lockscope.capture.child import run_child
from lockscope.capture.preload import ENVIRONMENT_TRACE, is_recorded, missing_sentence
from lockscope.cli.durations import duration
from lockscope.cli.gates import gate_words
from lockscope.cli.pytest_plugin import STARTED

__all__ = ["LockscopeSession"]

_PATIENCE_S: Final = 120.0
"""Ten million records are read and analysed in ten seconds."""
_ANSWER: Final = "from lockscope.cli.pytest_answer import answer; answer()"
_BY_HAND: Final = "pytest was not started from a command line; run it under `lockscope trace --`."


@dataclass(frozen=True, slots=True)
class _Budget:
    max_hold_s: float | None
    max_wait_s: float | None
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the trace shows of a test: for its report, and the gates of its budget that broke."""

    told: str
    broken: str


_SINCE: Final = pytest.StashKey[int]()
"""When the test began."""
_BEGAN: Final = pytest.StashKey[int]()
"""When its part began that is looked at: a look takes time, which must not count as a hold."""
_BUDGET: Final = pytest.StashKey[_Budget]()
_KNOWN: Final = pytest.StashKey[_Answer]()


class LockscopeSession:
    """The hooks of a session with `--lockscope`."""

    def __init__(self, config: pytest.Config) -> None:
        self._recorded = is_recorded()
        self._folder = os.environ.get(ENVIRONMENT_TRACE, "")
        # All that the trace holds is this session's, but where workers share it (pytest-xdist), or
        # it was begun by somebody else.
        self._alone = os.environ.get(STARTED) == str(os.getppid())
        self._why_not = "" if self._recorded else missing_sentence() or _BY_HAND
        self._strict = bool(config.getoption("lockscope_strict"))

    def pytest_report_header(self) -> str:
        """Say where the trace is, or why there is none."""
        if self._why_not:
            return f"lockscope: nothing is recorded: {self._why_not}"
        folder = Path(self._folder)
        here = Path.cwd()
        return f"lockscope: {folder.relative_to(here) if folder.is_relative_to(here) else folder}"

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Understand every budget before the first test runs."""
        for item in items:
            mark = item.get_closest_marker("lock_budget")
            if mark is not None:
                item.stash[_BUDGET] = _budget(item, mark)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Note when the test began."""
        item.stash[_SINCE] = item.stash[_BEGAN] = _now_ns()
        if self._why_not and self._strict and _BUDGET in item.stash:
            pytest.fail(f"lock_budget cannot be checked: {self._why_not}", pytrace=False)
        yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Check the budget of a test that passed."""
        yield
        self._check(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """Check it again, for what fixtures do at their end."""
        asked = item.stash.get(_KNOWN, None)
        if asked is None:  # it has no budget, or ended otherwise already
            yield
            return
        del item.stash[_KNOWN]
        item.stash[_BEGAN] = _now_ns()
        yield
        if not asked.broken:
            self._check(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add to a failed test's report what happened to it."""
        report = yield
        if report.failed and self._recorded:
            answer = item.stash.get(_KNOWN, None) or self._ask(item)
            if answer.told:
                report.sections.append(("lockscope", answer.told))
        return report

    def _check(self, item: pytest.Item) -> None:
        if not self._recorded or _BUDGET not in item.stash:
            return
        answer = item.stash[_KNOWN] = self._ask(item)
        if answer.broken:
            pytest.fail(answer.broken, pytrace=False)

    def _ask(self, item: pytest.Item) -> _Answer:
        budget = item.stash.get(_BUDGET, _Budget(None, None, ()))
        question = {
            "trace": self._folder,
            "pid": os.getpid(),
            "alone": self._alone,
            "since_ns": item.stash[_SINCE],
            "began_ns": item.stash[_BEGAN],
            "ended_ns": _now_ns(),
            "kinds": budget.kinds,
            "max_hold_s": budget.max_hold_s,
            "max_wait_s": budget.max_wait_s,
        }
        try:
            told = run_child(_ANSWER, input_=json.dumps(question).encode(), patience_s=_PATIENCE_S)
            found: dict[str, Any] = json.loads(told)
        except Exception as error:  # noqa: BLE001 - whatever a test has replaced must not end the session
            return _unanswered(item, str(error))
        if found["error"]:
            return _unanswered(item, found["error"])
        broken = "\n  ".join(["lock_budget is broken:", *found["broken"]])
        return _Answer(found["told"], broken if found["broken"] else "")


def _now_ns() -> int:
    # Not time.monotonic_ns, which packages that freeze time replace while a test runs.
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def _unanswered(item: pytest.Item, why: str) -> _Answer:
    # A budget of which nothing can be said is not kept.
    broken = f"lock_budget cannot be checked: {why}" if _BUDGET in item.stash else ""
    return _Answer(f"What was recorded cannot be read: {why}", broken)


def _budget(item: pytest.Item, mark: pytest.Mark) -> _Budget:
    known = {"max_hold", "max_wait", "fail_on"}
    if mark.args or not mark.kwargs or not set(mark.kwargs) <= known:
        raise _wrong(item, f"it takes {', '.join(sorted(known))}, by name")
    try:
        hold, wait = (
            None if mark.kwargs.get(name) is None else duration(str(mark.kwargs[name]))
            for name in ("max_hold", "max_wait")
        )
        fail_on = mark.kwargs.get("fail_on") or ()
        text = fail_on if isinstance(fail_on, str) else ",".join(fail_on)
        return _Budget(hold, wait, tuple(gate_words(text)) if text else ())
    except (ArgumentTypeError, TypeError) as error:
        raise _wrong(item, str(error)) from error


def _wrong(item: pytest.Item, why: str) -> pytest.UsageError:
    return pytest.UsageError(f"{item.nodeid}: lock_budget: {why}")
