"""SQLite: byte-range locks become lock events on named resources."""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.interpret.descriptors import closures_of, removals_of, without_foreign_closes
from lockscope.interpret.files import DatabaseFiles, database_files
from lockscope.interpret.model import (
    ANOTHER,
    BLOCKING,
    BY_DESCRIPTION,
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
from lockscope.interpret.samples import compare_samples, nothing_seen
from lockscope.interpret.statements import infer_events
from lockscope.locks.sqlite import SHM_SLOTS, SLOT_RANGES, Slot
from lockscope.trace import kinds
from lockscope.trace.kinds import EndMode, Kind, Mode
from lockscope.trace.model import Process, Records, Trace

__all__ = ["interpret"]

_SLOTS: Final = len(Slot)
_TRIED_EXCLUSIVELY: Final = [
    Slot.WAL_CKPT,
    Slot.WAL_DMS,
    *(slot for slot in Slot if slot.name.startswith("WAL_READ")),
]


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
        seen = nothing_seen(trace)
    else:
        pauses = _pauses(trace.of_kind(Kind.SLEEP))
        seen = compare_samples(trace, files, events)
        events = seen.added_to(events)
    return Interpretation(
        processes=seen.processes,
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
        gaps=trace.gaps + seen.gaps,
        sampling=seen.sampling,
        closures=closures_of(trace, files),
        removals=removals_of(trace, files),
        files=tuple(file.path for file in trace.files),
    )


def _end(trace: Trace) -> int:
    if not len(trace.records):
        return max(trace.manifest.started_ns, trace.manifest.ended_ns)
    last = int(
        (trace.records["began_ns"] + trace.records["duration_ns"] * _timed(trace.records)).max()
    )
    return max(trace.manifest.ended_ns, last)


def _timed(records: Records) -> NDArray[np.bool_]:
    # A FILE record keeps the device in the field of the duration, a HOLDER the start of a process,
    # a REMOVE the place in the code.
    timed: NDArray[np.bool_] = ~np.isin(records["kind"], (Kind.FILE, Kind.HOLDER, Kind.REMOVE))
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


def _is_probe(slots: NDArray[np.int64], modes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether SQLite asks for a slot only to see whether it can have it (`wal.c`).

    A reader tries to move a read mark (walTryBeginRead), a checkpoint tests the marks and gives up
    on a busy one, and only one process checkpoints at a time (walCheckpoint): none of these denials
    fails a statement.
    """
    tried = np.isin(slots, _TRIED_EXCLUSIVELY) & (modes == Mode.EXCLUSIVE)
    probes: NDArray[np.bool_] = tried | (slots == Slot.WAL_RECOVER)
    return probes


def _events(trace: Trace, files: DatabaseFiles) -> Events:
    """The lock events of all processes, by time."""
    places = trace.places(Kind.LOCK, Kind.LOCK_WAIT, Kind.CLOSE)
    places = places[files.database[trace.records["file"][places]] >= 0]
    requests = _Requests(
        places=places,
        first=trace.records["start"][places],
        length=trace.records["length"][places].astype(np.uint64),
        closed=trace.records["kind"][places] == Kind.CLOSE,
        is_shm=files.is_shm[trace.records["file"][places]],
    )
    slots = requests.only_slot()
    single = slots >= 0
    parts = [_events_at(trace.records, files, places[single], slots[single])]
    several = requests.part(~single)
    for slot in Slot:
        touched = several.places[several.touches(slot)]
        parts.append(_events_at(trace.records, files, touched, np.full(len(touched), int(slot))))
    parts.append(_ends(parts, trace))
    events = np.concatenate(parts)
    parts.clear()
    return without_foreign_closes(events.take(np.argsort(events["began_ns"], kind="stable")))


@dataclass(frozen=True, slots=True)
class _Requests:
    """Requests for byte ranges, as columns; `places` are those of their records."""

    places: NDArray[np.int64]
    first: NDArray[np.uint64]
    length: NDArray[np.uint64]
    closed: NDArray[np.bool_]
    is_shm: NDArray[np.bool_]

    def part(self, chosen: NDArray[np.bool_]) -> "_Requests":
        return _Requests(
            *(getattr(self, field.name)[chosen] for field in fields(self)),
        )

    def only_slot(self) -> NDArray[np.int64]:
        """The slot of each request for exactly the bytes of one, which nearly all are; else -1."""
        only = np.full(len(self.places), -1)
        for slot in Slot:
            bytes_ = SLOT_RANGES[slot]
            exact = (self.first == bytes_.first) & (self.length == bytes_.end - bytes_.first)
            only[exact & (self.is_shm == (slot in SHM_SLOTS))] = slot
        only[self.closed] = -1
        return only

    def touches(self, slot: Slot) -> NDArray[np.bool_]:
        """Whether each request's range meets the slot's bytes; a closed descriptor meets all."""
        bytes_ = SLOT_RANGES[slot]
        beyond = (self.length == 0) | (self.first + self.length > bytes_.first)
        meets = self.closed | (beyond & (self.first < bytes_.end))
        touched: NDArray[np.bool_] = meets & (self.is_shm == (slot in SHM_SLOTS))
        return touched


def _events_at(
    records: Records, files: DatabaseFiles, places: NDArray[np.int64], slots: NDArray[np.int64]
) -> Events:
    """The event of each record on its slot."""
    events: Events = np.zeros(len(places), EVENT)
    for field in ("began_ns", "process", "thread", "context", "mode"):
        events[field] = records[field][places]
    events["ended_ns"] = events["began_ns"] + records["duration_ns"][places]
    events["resource"] = files.database[records["file"][places]] * _SLOTS + slots
    kind = records["kind"][places]
    closed = kind == Kind.CLOSE
    events["flags"] = np.where(kind == Kind.LOCK_WAIT, BLOCKING, 0)
    events["flags"][~closed & ((events["mode"] & kinds.BY_DESCRIPTION) != 0)] |= BY_DESCRIPTION
    events["flags"][closed & ((events["mode"] & kinds.ANOTHER) != 0)] |= ANOTHER
    events["mode"] = np.where(closed, Mode.UNLOCK, events["mode"] & ~np.uint8(kinds.BY_DESCRIPTION))
    events["cause"][closed] = Cause.CLOSE
    events["flags"][_is_probe(slots, events["mode"])] |= PROBE
    denied = np.where(records["error"][places] == 0, Verdict.GRANTED, Verdict.DENIED)
    events["verdict"] = np.where(events["mode"] == Mode.UNLOCK, Verdict.RELEASED, denied)
    return events


def _ends(parts: list[Events], trace: Trace) -> Events:
    """A release of all that a process had touched, for each exec and each end of a process.

    SQLite opens its files close-on-exec, so that a program which replaces itself drops its locks.
    """
    touched: dict[int, set[int]] = {}
    last_ns = np.zeros(len(trace.processes), np.uint64)
    for part in parts:
        pairs = part["process"].astype(np.uint64) << np.uint64(32) | part["resource"]
        for pair in np.unique(pairs).tolist():
            touched.setdefault(pair >> 32, set()).add(pair & 0xFFFFFFFF)
        np.maximum.at(last_ns, part["process"], part["ended_ns"])
    rows: list[tuple[object, ...]] = []
    execs = trace.of_kind(Kind.EXEC)
    for record in execs[execs["error"] == 0]:
        rows += _releases(int(record["began_ns"]), int(record["process"]), touched, Cause.EXEC)
    for place, process in enumerate(trace.processes):
        if process.ended_ns:
            # Handlers that run at exit still close connections after the exit was recorded.
            at_ns = max(process.ended_ns, int(last_ns[place]))
            rows += _releases(at_ns, place, touched, _end_cause(process))
    return np.array(rows, EVENT)


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
    threads = np.unique(keys)
    last = np.zeros(len(threads), np.uint64)
    ends = records["began_ns"] + records["duration_ns"] * _timed(records)
    np.maximum.at(last, np.searchsorted(threads, keys), ends)
    return np.stack([threads, last])
