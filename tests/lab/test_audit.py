"""The audit and the attempts, from what was said alone."""

from lockscope.lab.attempts import Attempt, attempts_of
from lockscope.lab.audit import Verdict, audit
from lockscope.lab.events import Event, State
from lockscope.lab.workload import Row


def _tried(transaction: int, *outcomes: State) -> list[Attempt]:
    return [
        Attempt(1, 10, transaction, number, f"r{transaction}", number, number + 1, outcome)
        for number, outcome in enumerate(outcomes, 1)
    ]


def test_every_verdict() -> None:
    planned = {(1, number): f"r{number}" for number in range(1, 9)}
    attempts = [
        *_tried(1, State.FAILED, State.COMMITTED),
        *_tried(2, State.COMMITTED),
        *_tried(3, State.FAILED, State.FAILED),
        *_tried(4, State.FAILED),
        *_tried(5, State.UNKNOWN, State.FAILED),
        *_tried(6, State.UNKNOWN),
    ]
    rows = [Row(key) for key in ("r1", "r4", "r5", "r8", "r1", "elsewhere")]
    result = audit(planned, attempts, rows)
    assert [record.verdict for record in result.records] == [
        Verdict.COMMITTED,
        Verdict.LOST,
        Verdict.FAILED,
        Verdict.FAILED_PRESENT,
        Verdict.UNKNOWN_PRESENT,
        Verdict.UNKNOWN_ABSENT,
        Verdict.NEVER_TRIED,
        Verdict.NEVER_TRIED_PRESENT,
    ]
    assert result.unexpected == ("r4", "r8", "elsewhere")
    assert result.duplicates == ("r1",)
    assert not result.clean


def test_what_is_all_there_once_is_clean() -> None:
    result = audit({(1, 1): "r1"}, _tried(1, State.COMMITTED), [Row("r1")])
    assert result.clean


def test_an_attempt_without_an_outcome_is_unknown() -> None:
    events = [
        Event(State.ASKING, 5, 1, 1, 1, "r1"),
        Event(State.COMMITTED, 6, 1, 1, 1, "r1"),
        Event(State.ASKING, 7, 1, 2, 1, "r2"),
        Event(State.ENDED, 9, 1, message="was killed by signal SIGKILL"),
    ]
    first, second = attempts_of(events, {1: 10})
    assert (first.outcome, first.ended_ns) == (State.COMMITTED, 6)
    assert (second.outcome, second.began_ns, second.ended_ns) == (State.UNKNOWN, 7, 9)
    assert second.error == "the worker was killed by signal SIGKILL"


def test_an_event_crosses_the_pipe_unchanged() -> None:
    event = Event(State.FAILED, 1, 2, 3, 4, "key\n", 517, "déjà\nvu", "own.py:3")
    line = event.encode()
    assert line.count(b"\n") == 1
    assert Event.decode(line) == event
