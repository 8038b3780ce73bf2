"""One worker as the lab sees it: a process, the thread that reads its pipe, and how it ended."""

import contextlib
import queue
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lockscope.lab.events import Event

if TYPE_CHECKING:
    from subprocess import Popen

__all__ = ["Member", "Words", "WorkerEnd"]

_LAST_WORDS_S: Final = 1.0
"""How long the pipe of a dead worker is waited for: a process it left behind may keep it open."""

Words = queue.SimpleQueue[Event | None]
"""What all workers say, in the order of arrival; None when a worker has ended."""


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """How a worker ended.

    Attributes:
        worker: Its number (1, 2, ...).
        pid: Its process id.
        status: Exit status, negative for a signal.
        sentence: How it ended, for people.
        orderly: It did all its work and exited by itself.
    """

    worker: int
    pid: int
    status: int
    sentence: str
    orderly: bool


class Member:
    """One worker that was started.

    Args:
        worker: Its number (1, 2, ...).
        process: Its process, with a pipe as standard output.
        words: Where what it says is put.
    """

    def __init__(self, worker: int, process: "Popen[bytes]", words: Words) -> None:
        self.worker = worker
        self.process = process
        self.ready = False
        self.done = False
        self.ended = False
        self.reason = ""
        self.said_ns = time.monotonic_ns()
        self._reader = threading.Thread(target=self._read, args=(words,), daemon=True)
        self._reader.start()

    def kill(self, reason: str) -> None:
        """End it at once, stopped or not.

        Args:
            reason: Why, for people; the first one is kept.
        """
        self.reason = self.reason or reason
        self.process.kill()

    def is_stopped(self) -> bool:
        """Whether a signal or a debugger stopped it: state T or t in `/proc/PID/stat`, proc(5)."""
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_bytes()
        except OSError:
            return False
        return stat[stat.rindex(b")") + 2 :][:1] in {b"T", b"t"}

    def read_out(self) -> None:
        """Wait until the last words of a process that has ended are read."""
        self._reader.join(_LAST_WORDS_S)

    def finish(self) -> WorkerEnd:
        """Take leave of a process that has ended and was read out, and say how it ended."""
        self.ended = True
        if not self._reader.is_alive() and self.process.stdout is not None:
            self.process.stdout.close()
        status = self.process.wait()
        orderly = self.done and status == 0
        return WorkerEnd(self.worker, self.process.pid, status, self._sentence(status), orderly)

    def _sentence(self, status: int) -> str:
        if self.reason and status:  # it may have finished a moment before
            return self.reason
        if status < 0:
            name = signal.Signals(-status).name if -status in list(signal.Signals) else str(-status)
            return f"was killed by signal {name}"
        if self.done and not status:
            return "finished"
        return f"exited with status {status}" + ("" if self.done else " before its work was done")

    def _read(self, words: Words) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(ValueError, TypeError):  # a line torn by SIGKILL
                words.put(Event.decode(line))
        # The pipe ends a moment before the process does: who polled now would see it alive for a
        # whole tick.
        self.process.wait()
        words.put(None)
