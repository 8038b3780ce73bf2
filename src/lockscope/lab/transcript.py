"""The transcript: what each worker did and when, one plain line each."""

import contextlib
import datetime as dt
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from lockscope.lab.events import Event, State

__all__ = ["Transcript"]

_NS: Final = 1_000_000_000
_LEVELS: Final = {State.FAILED: "ERROR", State.UNKNOWN: "ERROR", State.KILLED: "WARN"}
_SENTENCES: Final = {
    State.STARTED: "was started: {message}",
    State.READY: "is ready",
    State.THINKING: "thinks before {record}",
    State.ASKING: "asks for the database: {record} (transaction {transaction}, attempt {attempt})",
    State.HOLDING: "is in its transaction with {record}",
    State.COMMITTED: "committed {record}",
    State.FAILED: "failed with {record}: {message}{at}",
    State.UNKNOWN: "does not know whether {record} was committed: {message}{at}",
    State.DONE: "is done",
    State.KILLED: "{message}",
    State.ENDED: "ended: it {message}",
}


class Transcript:
    """A text file that grows while the experiment runs; a context manager.

    Each line: seconds since the start, wall time, level, worker, sentence. From column 29 on, two
    runs can be compared with `diff`.

    Args:
        path: The file.
        started_ns: CLOCK_MONOTONIC at the start.
    """

    def __init__(self, path: Path, started_ns: int) -> None:
        self._started_ns = started_ns
        self._began = dt.datetime.now().astimezone() - dt.timedelta(
            microseconds=(time.monotonic_ns() - started_ns) / 1000
        )
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace", buffering=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def hear(self, event: Event) -> None:
        """Write what a worker said, or what became of it."""
        sentence = _SENTENCES[event.state].format(
            message=event.message,
            record=event.record,
            transaction=event.transaction,
            attempt=event.attempt,
            at=f", at {event.source}" if event.source else "",
        )
        level = _LEVELS.get(event.state, "INFO")
        if event.state is State.ENDED and event.message != "finished":
            level = "WARN"
        self.write(event.at_ns, level, f"P{event.worker}", sentence)

    def say(self, sentence: str) -> None:
        """Write a line of the lab's own."""
        self.write(time.monotonic_ns(), "INFO", "lab", sentence)

    def write(self, at_ns: int, level: str, who: str, sentence: str) -> None:
        """Write one line."""
        since_s = (at_ns - self._started_ns) / _NS
        wall = (self._began + dt.timedelta(seconds=since_s)).strftime("%H:%M:%S.%f")[:-3]
        one_line = " ".join(sentence.splitlines())
        with contextlib.suppress(OSError):  # a disk that fills up must not cost the answer
            self._file.write(f"{since_s:+12.6f}  {wall}  {level:<5} {who:<4}  {one_line}\n")
