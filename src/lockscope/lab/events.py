"""What a worker says: one line of JSON over its pipe at each change of state."""

import json
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import Self

__all__ = ["Event", "State"]


class State(StrEnum):
    """What a worker is doing, or what became of it."""

    STARTED = "started"
    READY = "ready"
    THINKING = "thinking"
    ASKING = "asking"
    HOLDING = "holding"
    COMMITTED = "committed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DONE = "done"
    KILLED = "killed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Event:
    """A change of state of one worker.

    Attributes:
        state: The new state.
        at_ns: CLOCK_MONOTONIC.
        worker: Its number (1, 2, ...).
        transaction: Of that worker (1, 2, ...), 0 outside any.
        attempt: Of that transaction (1, 2, ...), 0 outside any.
        record: Key of the transaction's record.
        code: Extended SQLite result code of a failure, None where it has none.
        message: The error, or how the worker ended.
        source: `file:line` where the error arose, empty where unknown.
    """

    state: State
    at_ns: int
    worker: int
    transaction: int = 0
    attempt: int = 0
    record: str = ""
    code: int | None = None
    message: str = ""
    source: str = ""

    def encode(self) -> bytes:
        """The event as one line."""
        return json.dumps([*astuple(self)]).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Self:
        """Read a line of `encode`.

        Raises:
            ValueError, TypeError: The line is not one.
        """
        state, *others = json.loads(line)
        return cls(State(state), *others)
