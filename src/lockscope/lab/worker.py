"""A worker of the lab: a process of its own that waits for the start, works, and says what it does.

    python -m lockscope.lab.worker JOB

Standard input is the barrier: one byte lets one worker go, and an end without a byte tells it to
go home. Standard
output is the pipe to the lab; what the workload itself prints goes to standard error. Standard
library only, and little of it: hundreds of workers start at once.
"""

import contextlib
import os
import select
import sqlite3
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final

from lockscope.lab.catalogue import load_workload, place
from lockscope.lab.events import Event, State
from lockscope.lab.job import Job
from lockscope.lab.workload import Turn, Workload, key_of
from lockscope.remedies import UnknownCommitError
from lockscope.trace.kinds import ERROR_WITHOUT_CODE, Kind, Outcome, Recorder
from lockscope.trace.writer import SegmentWriter

__all__ = ["main"]

_STATES: Final = {
    Outcome.COMMITTED: State.COMMITTED,
    Outcome.FAILED: State.FAILED,
    Outcome.UNKNOWN: State.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class _About:
    """Which attempt something is said of."""

    transaction: int = 0
    attempt: int = 0
    record: str = ""


class _Voice:
    """The worker's end of its pipe to the lab. A worker whose lab has died ends itself."""

    def __init__(self, worker: int) -> None:
        self._worker = worker
        self._pipe = os.dup(1)
        os.dup2(2, 1)

    def say(
        self,
        state: State,
        about: _About = _About(),
        *,
        at_ns: int = 0,
        code: int | None = None,
        message: str = "",
        source: str = "",
    ) -> None:
        """Tell the lab of a new state."""
        event = Event(
            state,
            at_ns or time.monotonic_ns(),
            self._worker,
            about.transaction,
            about.attempt,
            about.record,
            code,
            message,
            source,
        )
        try:
            os.write(self._pipe, event.encode())
        except OSError:  # the lab is gone: nobody would audit what else is written
            os._exit(1)

    def follow_the_lab(self) -> None:
        """End this process when the lab ends, be it by `kill -9`: its end of the pipe closes."""
        if hasattr(select, "poll"):
            threading.Thread(target=self._watch, name="lockscope-lab", daemon=True).start()

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._pipe, 0)
        poll.poll()
        os._exit(1)


class _Transaction:
    """What a remedy runs: one turn of the workload."""

    def __init__(self, workload: Workload, turn: Turn) -> None:
        self.task = turn.task_first
        self._workload = workload
        self._turn = turn

    def body(self, connection: sqlite3.Connection) -> None:
        self._turn.connection = connection
        self._workload.work(self._turn)


class _Attempt:
    """One try of a transaction: recorded and said before it begins and after it has ended."""

    def __init__(self, voice: _Voice, writer: SegmentWriter, turn: Turn, number: int) -> None:
        self._voice = voice
        self._writer = writer
        self._about = _About(turn.number, number, turn.key)
        self._fields = {"start": turn.number, "file": number, "length": writer.text(turn.key)}
        self._began_ns = 0

    def __enter__(self) -> None:
        self._began_ns = time.monotonic_ns()
        self._writer.record(Kind.ATTEMPT, began_ns=self._began_ns, **self._fields)
        self._voice.say(State.ASKING, self._about, at_ns=self._began_ns)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        ended_ns = time.monotonic_ns()
        outcome = _outcome(error)
        code = getattr(error, "sqlite_errorcode", None)
        message = _message(error)
        self._writer.record(
            Kind.OUTCOME,
            began_ns=self._began_ns,
            duration_ns=ended_ns - self._began_ns,
            mode=outcome,
            error=_code_field(error, code),
            context=self._writer.text(message),
            **self._fields,
        )
        source = place(error) if error else ""
        self._voice.say(
            _STATES[outcome],
            self._about,
            at_ns=ended_ns,
            code=code,
            message=message,
            source=source,
        )


def _outcome(error: BaseException | None) -> Outcome:
    if error is None:
        return Outcome.COMMITTED
    return Outcome.UNKNOWN if isinstance(error, UnknownCommitError) else Outcome.FAILED


def _message(error: BaseException | None) -> str:
    if error is None:
        return ""
    if getattr(error, "sqlite_errorcode", None) is not None:
        return str(error)
    return f"{type(error).__name__}: {error}"


def _code_field(error: BaseException | None, code: int | None) -> int:
    if error is None:
        return 0
    return ERROR_WITHOUT_CODE if code is None else code & 0xFFFF


class _Worker:
    """What one worker does once it has been let go."""

    def __init__(self, job: Job, voice: _Voice) -> None:
        self._plan = job.plan
        self._number = job.worker
        self._voice = voice
        self._workload = load_workload(job.plan.workload)
        self._writer = SegmentWriter(Path(job.trace), Recorder.WORKER)
        self._factory = _connection_factory(self._writer) if job.statements else sqlite3.Connection

    def work(self) -> None:
        """Do every transaction; say what became of each."""
        for number in range(1, self._plan.records + 1):
            key = key_of(self._workload, self._number, number)
            self._transact(number, key)
        self._voice.say(State.DONE)

    def _transact(self, number: int, key: str) -> None:
        about = _About(number, 1, key)
        if self._plan.think_s:
            self._voice.say(State.THINKING, about)
            time.sleep(self._plan.think_s)
        holding = partial(self._voice.say, State.HOLDING, about)
        turn = Turn(self._plan, self._number, number, key, holding=holding)
        # A failed transaction has been told by its attempt; it stops nobody, not even this worker.
        with contextlib.suppress(Exception):
            self._plan.remedy.run(
                self._plan.database,
                _Transaction(self._workload, turn),
                timeout_s=self._plan.timeout_s,
                around=partial(_Attempt, self._voice, self._writer, turn),
                factory=self._factory,
            )


def main() -> None:
    """Wait at the barrier, then work."""
    job = Job.decode(sys.argv[1])
    voice = _Voice(job.worker)
    voice.follow_the_lab()
    worker = _Worker(job, voice)
    voice.say(State.READY)
    if _may_go():
        worker.work()


def _connection_factory(writer: SegmentWriter) -> type[sqlite3.Connection]:
    # Imported here: where the native recorder works, it is never needed.
    from lockscope.capture.recording_connection import recording_connection  # noqa: PLC0415

    return recording_connection(writer)


def _may_go() -> bool:
    go = os.read(0, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return bool(go)


if __name__ == "__main__":
    main()
