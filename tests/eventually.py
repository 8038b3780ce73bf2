"""Looking again until what must come has come: no test sleeps for a guessed time."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["eventually"]

_DEADLINE_S: Final = 60

Seen = TypeVar("Seen")


def eventually(look: Callable[[], Seen], wanted: Callable[[Seen], object]) -> Seen:
    """What was seen at last; the test fails with it where it never was as wanted."""
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        seen = look()
        if wanted(seen):
            return seen
        assert time.monotonic() < deadline, f"this is all that was seen: {seen}"
