"""Attempts: what each worker tried and what became of it, rebuilt from what the workers said."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from lockscope.lab.events import Event, State

__all__ = ["Attempt", "attempts_of"]

_OUTCOMES: Final = (State.COMMITTED, State.FAILED, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a transaction.

    Attributes:
        worker: Number of the worker (1, 2, ...).
        pid: Its process id.
        transaction: Of that worker (1, 2, ...).
        attempt: Of that transaction (1, 2, ...).
        record: Key of the record.
        began_ns: Before the driver was called, CLOCK_MONOTONIC.
        ended_ns: After it, or when the worker ended.
        outcome: `committed`, `failed`, or `unknown`.
        error: The message, empty where there is none.
        code: Extended SQLite result code, None where there is none.
        source: `file:line` where the error arose, empty where unknown.
    """

    worker: int
    pid: int
    transaction: int
    attempt: int
    record: str
    began_ns: int
    ended_ns: int = 0
    outcome: State = State.UNKNOWN
    error: str = ""
    code: int | None = None
    source: str = ""


def attempts_of(events: Iterable[Event], pids: dict[int, int]) -> tuple[Attempt, ...]:
    """Every attempt, by its beginning; unknown if its worker ended meanwhile: nobody was told.

    Args:
        events: What the workers said, each worker's in its order.
        pids: Process id of each worker.
    """
    known: dict[tuple[int, int, int], Attempt] = {}
    for event in events:
        place = (event.worker, event.transaction, event.attempt)
        if event.state is State.ASKING:
            known[place] = Attempt(
                event.worker,
                pids[event.worker],
                event.transaction,
                event.attempt,
                event.record,
                event.at_ns,
            )
        elif event.state in _OUTCOMES and place in known:
            known[place] = _ended(known[place], event)
        elif event.state is State.ENDED:
            for open_place, attempt in known.items():
                if attempt.worker == event.worker and not attempt.ended_ns:
                    error = f"the worker {event.message}"
                    known[open_place] = replace(attempt, ended_ns=event.at_ns, error=error)
    return tuple(sorted(known.values(), key=lambda attempt: attempt.began_ns))


def _ended(attempt: Attempt, event: Event) -> Attempt:
    return replace(
        attempt,
        ended_ns=event.at_ns,
        outcome=event.state,
        error=event.message,
        code=event.code,
        source=event.source,
    )
