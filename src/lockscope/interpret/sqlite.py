"""SQLite: byte-range locks become lock events on named resources."""

import numpy as np
from numpy.typing import NDArray

from lockscope.interpret.files import DatabaseFiles, database_files
from lockscope.interpret.model import (
    BLOCKING,
    EVENT,
    PAUSE,
    PROBE,
    STATEMENT,
    WORK,
    Cause,
    Events,
    Interpretation,
    Resource,
    Verdict,
)
from lockscope.interpret.statements import infer_events
from lockscope.locks.sqlite import SHM_SLOTS, SLOT_RANGES, Slot
from lockscope.trace.kinds import EndMode, Kind, Mode
from lockscope.trace.model import Process, Records, Trace

__all__ = ["interpret"]

_SLOTS = len(Slot)


def interpret(trace: Trace) -> Interpretation:
    """Turn the records of a trace into lock events.

    Args:
        trace: As `trace.reader.read_trace` gives it.

    Returns:
        Events on every resource that a record touched. Where no process recorded a lock, they are
        inferred from the statements that workers recorded.
    """
    files = database_files(trace)
    ended_ns = _end(trace)
    statements = _statements(trace.of_kind(Kind.STATEMENT))
    events = _events(trace, files)
    inferred = not len(events) and len(statements) > 0
    if inferred:
        files, events, pauses = infer_events(trace, statements)
    else:
        pauses = _pauses(trace.of_kind(Kind.SLEEP))
    return Interpretation(
        processes=trace.processes,
        databases=files.paths,
        resources=_resources(files),
        contexts=trace.contexts,
        texts=trace.texts,
        events=events,
        pauses=pauses,
        statements=statements,
        work=_work(trace.of_kind(Kind.WRITES, Kind.SYNC), files),
        last_seen=_last_seen(trace.records),
        began_ns=trace.manifest.started_ns,
        ended_ns=ended_ns,
        inferred=inferred,
        gaps=trace.gaps,
    )


def _end(trace: Trace) -> int:
    if not len(trace.records):
        return max(trace.manifest.started_ns, trace.manifest.ended_ns)
    last = int(
        (trace.records["began_ns"] + trace.records["duration_ns"] * _timed(trace.records)).max()
    )
    return max(trace.manifest.ended_ns, last)


def _timed(records: Records) -> NDArray[np.bool_]:
    # A FILE record keeps the device in the field of the duration.
    timed: NDArray[np.bool_] = records["kind"] != Kind.FILE
    return timed


def _resources(files: DatabaseFiles) -> tuple[Resource, ...]:
    return tuple(
        Resource(database, f"{title} {slot.title}", slot, database * _SLOTS + _leads_to(slot))
        for database, title in enumerate(files.titles)
        for slot in Slot
    )


def _leads_to(slot: Slot) -> Slot:
    # `os_unix.c`, unixLock: PENDING is asked for on the way to SHARED and on the way to EXCLUSIVE.
    return Slot.SHARED if slot is Slot.PENDING else slot


def _is_probe(slot: Slot, modes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether SQLite asks for a slot only to see whether it can have it (`wal.c`).

    A reader tries to move a read mark (walTryBeginRead), a checkpoint tests the marks and gives up
    on a busy one, and only one process checkpoints at a time (walCheckpoint): none of these denials
    fails a statement.
    """
    if Slot.WAL_READ0 <= slot <= Slot.WAL_READ4 or slot in (Slot.WAL_CKPT, Slot.WAL_DMS):
        return np.equal(modes, Mode.EXCLUSIVE)
    return np.full(len(modes), slot is Slot.WAL_RECOVER)


def _events(trace: Trace, files: DatabaseFiles) -> Events:
    """The lock events of all processes, by time."""
    records = trace.of_kind(Kind.LOCK, Kind.LOCK_WAIT, Kind.CLOSE)
    records = records[files.database[records["file"]] >= 0]
    parts = [_events_of_slot(records, files, slot) for slot in Slot]
    events = np.concatenate([*parts, _ends(parts, trace)])
    return events[np.argsort(events["began_ns"], kind="stable")]


def _events_of_slot(records: Records, files: DatabaseFiles, slot: Slot) -> Events:
    """The events on one slot of every database: each request whose range meets the slot's bytes."""
    bytes_ = SLOT_RANGES[slot]
    begin = records["start"]
    length = records["length"].astype(np.uint64)
    closed = records["kind"] == Kind.CLOSE
    touched = ((length == 0) | (begin + length > bytes_.first)) & (begin < bytes_.end)
    of_file = files.is_shm[records["file"]] == (slot in SHM_SLOTS)
    rows = np.flatnonzero((touched | closed) & of_file)
    chosen = records[rows]
    events: Events = np.zeros(len(rows), EVENT)
    for field in ("began_ns", "process", "thread", "context", "mode"):
        events[field] = chosen[field]
    events["ended_ns"] = chosen["began_ns"] + chosen["duration_ns"]
    events["resource"] = files.database[chosen["file"]] * _SLOTS + int(slot)
    events["flags"] = np.where(chosen["kind"] == Kind.LOCK_WAIT, BLOCKING, 0) | np.where(
        _is_probe(slot, chosen["mode"]), PROBE, 0
    )
    events["verdict"] = np.select(
        [closed[rows] | (chosen["mode"] == Mode.UNLOCK), chosen["error"] == 0],
        [Verdict.RELEASED, Verdict.GRANTED],
        Verdict.DENIED,
    )
    events["mode"][closed[rows]] = Mode.UNLOCK
    events["cause"] = np.where(closed[rows], Cause.CLOSE, Cause.UNLOCK)
    return events


def _ends(parts: list[Events], trace: Trace) -> Events:
    """A release of all that a process had touched, for each exec and each end of a process.

    SQLite opens its files close-on-exec, so that a program which replaces itself drops its locks.
    """
    touched: dict[int, set[int]] = {}
    for part in parts:
        pairs = part["process"].astype(np.uint64) << np.uint64(32) | part["resource"]
        for pair in np.unique(pairs).tolist():
            touched.setdefault(pair >> 32, set()).add(pair & 0xFFFFFFFF)
    rows: list[tuple[object, ...]] = []
    execs = trace.of_kind(Kind.EXEC)
    for record in execs[execs["error"] == 0]:
        rows += _releases(int(record["began_ns"]), int(record["process"]), touched, Cause.EXEC)
    seen = _last_of_process(trace)
    for place, process in enumerate(trace.processes):
        if process.ended_ns:
            # Handlers that run at exit still close connections after the exit was recorded.
            at_ns = max(process.ended_ns, int(seen[place]))
            rows += _releases(at_ns, place, touched, _end_cause(process))
    return np.array(rows, EVENT)


def _last_of_process(trace: Trace) -> NDArray[np.uint64]:
    last = np.zeros(len(trace.processes), np.uint64)
    records = trace.of_kind(Kind.LOCK, Kind.LOCK_WAIT, Kind.CLOSE)
    np.maximum.at(last, records["process"], records["began_ns"] + records["duration_ns"])
    return last


def _end_cause(process: Process) -> Cause:
    return Cause.EXIT if process.exited or process.end is EndMode.EXITED else Cause.KILLED


def _releases(
    at_ns: int, process: int, touched: dict[int, set[int]], cause: Cause
) -> list[tuple[object, ...]]:
    return [
        (at_ns, at_ns, process, 0, resource, 0, Mode.UNLOCK, Verdict.RELEASED, cause, 0)
        for resource in sorted(touched.get(process, ()))
    ]


def _pauses(records: Records) -> Events:
    pauses: Events = np.zeros(len(records), PAUSE)
    for field in ("began_ns", "process", "thread", "context"):
        pauses[field] = records[field]
    pauses["ended_ns"] = records["began_ns"] + records["duration_ns"]
    pauses["asked_ns"] = records["start"]
    return pauses


def _statements(records: Records) -> Events:
    statements: Events = np.zeros(len(records), STATEMENT)
    for field in ("began_ns", "process", "thread", "context", "error"):
        statements[field] = records[field]
    statements["ended_ns"] = records["began_ns"] + records["duration_ns"]
    statements["connection"] = records["start"]
    statements["message"] = records["length"]
    statements["method"] = records["mode"]
    return statements


def _work(records: Records, files: DatabaseFiles) -> Events:
    records = records[files.database[records["file"]] >= 0]
    work: Events = np.zeros(len(records), WORK)
    for field in ("began_ns", "duration_ns", "process", "thread"):
        work[field] = records[field]
    work["sync"] = records["kind"] == Kind.SYNC
    work["calls"] = np.where(work["sync"], 1, records["start"])
    work["bytes"] = np.where(work["sync"], 0, records["length"])
    work["database"] = files.database[records["file"]]
    return work


def _last_seen(records: Records) -> NDArray[np.uint64]:
    keys = records["process"].astype(np.uint64) << np.uint64(32) | records["thread"]
    ends = records["began_ns"] + records["duration_ns"] * _timed(records)
    threads, place = np.unique(keys, return_inverse=True)
    last = np.zeros(len(threads), np.uint64)
    np.maximum.at(last, place, ends)
    return np.stack([threads, last])
