"""The crew: all workers, from the barrier where they start together to the end of the last."""

import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from lockscope.errors import CaptureError
from lockscope.lab.events import Event, State
from lockscope.lab.job import Job
from lockscope.lab.member import Member, Words, WorkerEnd
from lockscope.lab.plan import Plan

__all__ = ["Crew", "Surroundings"]

_TICK_S: Final = 0.05
"""How often ends, silence and Ctrl-C are looked for while no worker says anything."""
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What workers are started into.

    Attributes:
        trace: The trace's folder.
        environment: Their environment.
        output: Takes what they print.
        statements: Have them record statements from Python.
    """

    trace: Path
    environment: Mapping[str, str]
    output: IO[bytes]
    statements: bool


class Crew:
    """The workers of one experiment; a context manager that starts them and leaves none behind.

    Two descriptors a worker: its pipe here, and the supervisor's pidfd.

    Args:
        plan: What they do.
        surroundings: What they are started into.
        watch: Called with every event, in the order of their times as far as they came together.
        bury: Called with the end of each worker.
        stop: Asked again and again whether the person wants to stop.
    """

    def __init__(
        self,
        plan: Plan,
        surroundings: Surroundings,
        *,
        watch: Callable[[Event], None],
        bury: Callable[[WorkerEnd], None],
        stop: Callable[[], bool],
    ) -> None:
        self._plan = plan
        self._surroundings = surroundings
        self._watch = watch
        self._bury = bury
        self._stop = stop
        self._words: Words = queue.SimpleQueue()
        self._members: dict[int, Member] = {}
        self._heard_ns = self._reaped_ns = self._released_ns = 0
        self._barrier, self._go = os.pipe()

    def __enter__(self) -> Self:
        try:
            for worker in range(1, self._plan.processes + 1):
                self._members[worker] = self._started(worker)
        except BaseException:
            self.__exit__()
            raise
        self._heard_ns = time.monotonic_ns()
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members.values():
            if not member.ended:
                member.process.kill()
        for member in self._members.values():
            if not member.ended:
                member.process.wait()
                member.read_out()
                member.finish()
        os.close(self._barrier)
        if self._go >= 0:
            os.close(self._go)

    @property
    def ready(self) -> int:
        """Workers that wait at the barrier."""
        return sum(member.ready and not member.ended for member in self._members.values())

    def gather(self) -> None:
        """Wait until every living worker is at the barrier, or the person wants to stop."""
        while not self._stop() and any(
            not member.ready and not member.ended for member in self._members.values()
        ):
            self._look()

    def release(self) -> None:
        """Let all go at once: one byte each, so that a lab that dies here lets nobody go."""
        self._released_ns = time.monotonic_ns()
        os.write(self._go, b"g" * len(self._members))
        os.close(self._go)
        self._go = -1

    def follow(self) -> None:
        """Listen until the last worker has ended; Ctrl-C and silence end them."""
        stopping = False
        while not all(member.ended for member in self._members.values()):
            if self._stop() and not stopping:
                stopping = True
                for member in self._living():
                    self._kill(member, "was ended by Ctrl-C")
            self._look()

    def _started(self, worker: int) -> Member:
        around = self._surroundings
        job = Job(self._plan, worker, str(around.trace), around.statements)
        try:
            process = subprocess.Popen(
                # -P: else a json.py in the working folder would take the place of Python's own.
                [sys.executable, "-P", "-m", "lockscope.lab.worker", job.encode()],
                stdin=self._barrier,
                stdout=subprocess.PIPE,
                stderr=around.output,
                env=around.environment,
                # Ctrl-C at a terminal goes to a whole process group: the lab decides what it means.
                process_group=0 if os.name == "posix" else None,
            )
        except OSError as error:
            raise CaptureError(
                f"Only {worker - 1} of {self._plan.processes} processes could be started: "
                f"{error.strerror}. Ask for fewer with --processes."
            ) from error
        self._watch(Event(State.STARTED, time.monotonic_ns(), worker, message=f"pid {process.pid}"))
        return Member(worker, process, self._words)

    def _living(self) -> list[Member]:
        return [member for member in self._members.values() if not member.ended]

    def _look(self) -> None:
        one_ended = self._listen(_TICK_S)
        now_ns = time.monotonic_ns()
        if one_ended or now_ns - self._reaped_ns > _TICK_S * _NS:
            self._reaped_ns = now_ns
            self._reap()
            self._lose_patience(now_ns)

    def _listen(self, timeout_s: float) -> bool:
        events: list[Event] = []
        one_ended = False
        try:
            word = self._words.get(timeout=timeout_s)
            while True:
                if word is None:
                    one_ended = True
                else:
                    events.append(word)
                word = self._words.get_nowait()
        except queue.Empty:
            pass
        for event in sorted(events, key=lambda event: event.at_ns):
            self._hear(event)
        return one_ended

    def _hear(self, event: Event) -> None:
        member = self._members[event.worker]
        self._heard_ns = member.said_ns = time.monotonic_ns()
        member.ready = member.ready or event.state is State.READY
        member.done = member.done or event.state is State.DONE
        self._watch(event)

    def _reap(self) -> None:
        for member in self._living():
            if member.process.poll() is None:
                continue
            member.read_out()
            if self._listen(0):  # its last words come before the word that it has ended
                self._words.put(None)
            end = member.finish()
            self._bury(end)
            self._watch(
                Event(State.ENDED, time.monotonic_ns(), member.worker, message=end.sentence)
            )

    def _lose_patience(self, now_ns: int) -> None:
        for member in self._living():
            if not self._released_ns and member.ready:
                continue
            # Five hundred workers that start on two cores are slow, not dead, while one after
            # another speaks.
            since_ns = max(member.said_ns, self._released_ns or self._heard_ns)
            silent_s = (now_ns - since_ns) / _NS
            if silent_s > self._plan.patience_s and not member.reason:
                stopped = "was stopped (state T) and " if member.is_stopped() else ""
                self._kill(
                    member,
                    f"{stopped}said nothing for {silent_s:.1f} s, longer than --patience "
                    f"{self._plan.patience_s:g}s, and was killed",
                )

    def _kill(self, member: Member, reason: str) -> None:
        member.kill(reason)
        self._watch(Event(State.KILLED, time.monotonic_ns(), member.worker, message=reason))
