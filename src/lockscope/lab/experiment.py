"""An experiment from its plan to its result: a fresh database, the crew, the audit, the blame."""

import contextlib
import datetime as dt
import errno
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lockscope.capture.recording import Recording
from lockscope.engines.sqlite import claim, database_error
from lockscope.errors import CaptureError, UnableError, UsageError
from lockscope.lab.attempts import attempts_of
from lockscope.lab.audit import audit
from lockscope.lab.catalogue import is_own, place
from lockscope.lab.crew import Crew, Surroundings
from lockscope.lab.events import Event
from lockscope.lab.folder import RunFolder
from lockscope.lab.limits import allow_descriptors
from lockscope.lab.member import WorkerEnd
from lockscope.lab.plan import Plan
from lockscope.lab.transcript import Transcript
from lockscope.lab.workload import Row, Workload, key_of

if TYPE_CHECKING:
    from lockscope.lab.result import Experiment

__all__ = ["planned_keys", "run_experiment"]

_QUIET_TIMEOUT_S: Final = 5.0
"""Busy timeout of the audit: all workers have ended, only a stranger can be in the way."""


@dataclass(slots=True)
class _Course:
    """What happened while the workers ran."""

    watch: Callable[[Event], None]
    stop: Callable[[], bool]
    events: list[Event] = field(default_factory=list)
    ends: list[WorkerEnd] = field(default_factory=list)
    missing: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    started_at: str = ""
    released_ns: int = 0
    ended_ns: int = 0


def planned_keys(plan: Plan, workload: Workload) -> dict[tuple[int, int], str]:
    """The key of the record of each (worker, transaction).

    Raises:
        UsageError: The workload's `key` raises, or gives two records one key: the audit could not
            tell them apart.
    """
    keys: dict[tuple[int, int], str] = {}
    try:
        for worker in range(1, plan.processes + 1):
            for number in range(1, plan.records + 1):
                keys[worker, number] = key_of(workload, worker, number)
    except Exception as error:
        raise UsageError(f"The workload {plan.workload} failed in key: {_told(error)}.") from error
    if len(set(keys.values())) < len(keys):
        twice = next(key for key in keys.values() if list(keys.values()).count(key) > 1)
        raise UsageError(
            f"The workload {plan.workload} gives two records the key {twice!r}, so that the audit "
            "could not tell them apart; make key(worker, number) unique."
        )
    return keys


def run_experiment(
    plan: Plan,
    workload: Workload,
    folder: RunFolder,
    *,
    command: tuple[str, ...],
    watch: Callable[[Event], None],
    stop: Callable[[], bool],
) -> "Experiment":
    """Run an experiment and judge it.

    Args:
        plan: What is run.
        workload: What each worker does.
        folder: The run's folder, freshly made; taken back when nothing could begin.
        command: The command line, for the trace's manifest.
        watch: Called with every event, for a display.
        stop: Asked again and again whether the person wants to stop.

    Raises:
        UnableError: The database, the folder or the workers could not be had, or the workload
            failed to set up or to check.
    """
    course = _Course(watch, stop)
    try:
        keys = planned_keys(plan, workload)
        _run(plan, workload, folder, command, course)
    except OSError as error:
        if error.errno == errno.EMFILE:  # another folder would not help
            raise
        raise CaptureError(
            f"{folder.path} cannot be written: {error.strerror}. Choose another folder with -o.",
            path=folder.path,
        ) from error
    finally:
        if not course.released_ns:
            folder.empty()
    return _judged(plan, workload, folder, course, keys)


def _run(
    plan: Plan, workload: Workload, folder: RunFolder, command: tuple[str, ...], course: _Course
) -> None:
    allow_descriptors(plan.processes)
    started_ns = time.monotonic_ns()
    with ExitStack() as stack:
        transcript = stack.enter_context(Transcript(folder.transcript, started_ns))
        recording = stack.enter_context(Recording(folder.trace, command))
        output = stack.enter_context(folder.output.open("wb", buffering=0))
        course.missing = recording.missing
        course.versions = recording.manifest.versions

        def hear(event: Event) -> None:
            course.events.append(event)
            transcript.hear(event)
            course.watch(event)

        def bury(end: WorkerEnd) -> None:
            course.ends.append(end)
            recording.ended(end.pid, end.status)

        around = Surroundings(
            folder.trace, recording.environment(os.environ), output, bool(recording.missing)
        )
        crew = stack.enter_context(Crew(plan, around, watch=hear, bury=bury, stop=course.stop))
        _prepare(plan, workload)
        crew.gather()
        _insist_on_beginning(crew, course, folder)
        course.started_at = dt.datetime.now().astimezone().isoformat(timespec="milliseconds")
        course.released_ns = time.monotonic_ns()
        transcript.say(f"lets {crew.ready} workers go")
        crew.release()
        crew.follow()
        course.ended_ns = time.monotonic_ns()
        transcript.say("saw the last worker end")


def _prepare(plan: Plan, workload: Workload) -> None:
    """Make the database and the tables, while the workers start."""
    path = Path(plan.database)
    claim(path, wal=plan.remedy.wal)
    try:
        with closing(sqlite3.connect(path)) as connection:
            workload.setup(connection, plan)
            connection.commit()
    except Exception as error:
        raise _workload_failed(plan, "setup", error) from error


def _insist_on_beginning(crew: Crew, course: _Course, folder: RunFolder) -> None:
    if course.stop():
        raise CaptureError("Stopped before anything ran; nothing was left behind.")
    if crew.ready:
        return
    ends = "; ".join(f"P{end.worker} {end.sentence}" for end in course.ends[:1])
    words = folder.output.read_text(errors="replace").strip().splitlines()
    last = f" Its last words: {words[-1]}" if words else ""
    raise CaptureError(f"No worker could start: {ends}.{last}")


def _judged(
    plan: Plan,
    workload: Workload,
    folder: RunFolder,
    course: _Course,
    keys: dict[tuple[int, int], str],
) -> "Experiment":
    # Imported here: numpy would delay the start of the workers by a tenth of a second.
    from lockscope.lab.judgement import judge  # noqa: PLC0415
    from lockscope.lab.result import Experiment  # noqa: PLC0415

    pids = {end.worker: end.pid for end in course.ends}
    attempts = attempts_of(course.events, pids)
    rows = _rows(plan, workload)
    judgement = judge(folder.trace, attempts)
    return Experiment(
        plan=plan,
        folder=folder.path,
        trace=folder.trace,
        started_at=course.started_at,
        released_ns=course.released_ns,
        ended_ns=course.ended_ns,
        interrupted=course.stop(),
        attempts=attempts,
        blames=judgement.blames,
        rows=rows,
        audit=audit(keys, attempts, rows),
        findings=judgement.findings,
        workers=tuple(sorted(course.ends, key=lambda end: end.worker)),
        notes=(*_notes(folder, course), *judgement.notes),
        versions=course.versions,
    )


def _rows(plan: Plan, workload: Workload) -> tuple[Row, ...]:
    try:
        with closing(sqlite3.connect(plan.database, timeout=_QUIET_TIMEOUT_S)) as connection:
            rows: Sequence[object] = tuple(workload.check(connection))
    except Exception as error:
        raise _workload_failed(plan, "check", error) from error
    strange = [row for row in rows if not isinstance(row, Row)]
    if strange:
        raise UnableError(
            f"The workload {plan.workload} failed in check: it gave {type(strange[0]).__name__} "
            "where a lockscope.lab.Row is needed."
        )
    return tuple(row for row in rows if isinstance(row, Row))


def _notes(folder: RunFolder, course: _Course) -> list[str]:
    notes = [f"{course.missing[0].upper()}{course.missing[1:]}"] if course.missing else []
    with contextlib.suppress(OSError):
        if folder.output.stat().st_size:
            notes.append("The workers printed something; it is in output.txt.")
        else:
            folder.output.unlink()
    return notes


def _workload_failed(plan: Plan, method: str, error: Exception) -> UnableError:
    if isinstance(error, sqlite3.Error) and not is_own(plan.workload):
        return database_error(error, Path(plan.database))
    return UnableError(f"The workload {plan.workload} failed in {method}: {_told(error)}.")


def _told(error: Exception) -> str:
    where = place(error)
    return f"{type(error).__name__}: {error}" + (f", at {where}" if where else "")
