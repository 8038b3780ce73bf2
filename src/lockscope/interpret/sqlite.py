"""SQLite: byte-range locks become lock events on named resources."""

import errno
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.interpret.descriptions import with_shared_descriptions
from lockscope.interpret.descriptors import closures_of, removals_of, without_foreign_closes
from lockscope.interpret.execs import succeeded
from lockscope.interpret.files import DatabaseFiles, database_files
from lockscope.interpret.model import (
    ANOTHER,
    BLOCKING,
    BY_DESCRIPTION,
    EVENT,
    FAILED,
    FORK,
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
from lockscope.trace.rows import parts, runs, stable_order

__all__ = ["interpret"]

_SLOTS: Final = len(Slot)
_SOMEBODY_HOLDS_IT: Final = (0, errno.EAGAIN, errno.EACCES, errno.EDEADLK, errno.EINTR)
"""Success, and the errors of fcntl(2) that a healthy file system has for a lock call."""
_TRIED_EXCLUSIVELY: Final = [
    Slot.WAL_CKPT,
    Slot.WAL_DMS,
    *(slot for slot in Slot if slot.name.startswith("WAL_READ")),
]
_BY_FIRST_BYTE: Final = np.array(sorted(Slot, key=lambda slot: SLOT_RANGES[slot].first), np.int64)
_RANGES: Final = [SLOT_RANGES[Slot(slot)] for slot in _BY_FIRST_BYTE.tolist()]
_FIRST_BYTES: Final = np.array([bytes_.first for bytes_ in _RANGES], np.uint64)
_LENGTHS: Final = np.array([bytes_.end - bytes_.first for bytes_ in _RANGES], np.uint64)
_IN_SHM: Final = np.isin(_BY_FIRST_BYTE, SHM_SLOTS)
"""The slots by their first bytes, no two of which are the same."""


def interpret(trace: Trace) -> Interpretation:
    """Turn the records of a trace into lock events.

    Args:
        trace: As `trace.reader.read_trace` gives it.

    Returns:
        Events on every resource that a record touched. Where no process recorded a lock, they are
        inferred from the statements that workers recorded.
    """
    files = database_files(trace)
    last_seen = _last_seen(trace.records)
    statements = np.concatenate([*map(_statements, trace.in_parts(Kind.STATEMENT))])
    titles = tuple(f"{title} {slot.title}" for title in files.titles for slot in Slot)
    events, shared = with_shared_descriptions(_events(trace, files), trace, titles)
    inferred = not len(events) and len(statements) > 0
    if inferred:
        files, events, pauses = infer_events(trace, statements)
        seen = nothing_seen(trace)
    else:
        pauses = np.concatenate([*map(_pauses, trace.in_parts(Kind.SLEEP))])
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
        work=np.concatenate(
            [_work(records, files) for records in trace.in_parts(Kind.WRITES, Kind.SYNC)]
        ),
        last_seen=last_seen,
        began_ns=trace.manifest.started_ns,
        ended_ns=_end(trace, last_seen),
        inferred=inferred,
        gaps=trace.gaps + shared + seen.gaps,
        sampling=seen.sampling,
        closures=closures_of(trace, files),
        removals=removals_of(trace, files),
        files=tuple(file.path for file in trace.files),
        halts=seen.halts,
        forks=_forks(trace),
        file_systems=_file_systems(trace, files),
    )


def _file_systems(trace: Trace, files: DatabaseFiles) -> tuple[str, ...]:
    known = {database.path: database.file_system for database in trace.manifest.databases}
    return tuple(known.get(path, "") for path in files.paths)


def _forks(trace: Trace) -> Events:
    """The forks of which the child recorded something itself: the last of its pid until then."""
    rows = []
    for fork in trace.of_kind(Kind.FORK):
        at_ns, pid = int(fork["began_ns"]), int(fork["start"])
        children = [
            place
            for place, process in enumerate(trace.processes)
            if process.pid == pid and process.watched and process.began_ns >= at_ns
        ]
        rows += [(at_ns, int(fork["process"]), child) for child in children[:1]]
    return np.array(rows, FORK)


def _end(trace: Trace, last_seen: NDArray[np.uint64]) -> int:
    last_ns = int(last_seen[1].max(initial=trace.manifest.started_ns))
    return max(trace.manifest.ended_ns, last_ns)


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
    requests = trace.in_parts(Kind.LOCK, Kind.LOCK_WAIT, Kind.CLOSE)
    known = [_events_of(records, files) for records in requests]
    return without_foreign_closes(_merged(known, _ends(known, trace, files)))


def _events_of(records: Records, files: DatabaseFiles) -> Events:
    """The events of some requests, by time and slot."""
    records = records.take(np.flatnonzero(files.database[records["file"]] >= 0))
    slots = _only_slot(records, files)
    single = np.flatnonzero(slots >= 0)
    several = np.flatnonzero(slots < 0)
    touched, touched_slots = np.nonzero(_touches(records.take(several), files))
    rows = np.concatenate([single, several[touched]])
    order = stable_order(rows)
    slots = np.concatenate([slots[single], touched_slots])
    return _events_at(records.take(rows[order]), slots[order], files)


def _only_slot(records: Records, files: DatabaseFiles) -> NDArray[np.int64]:
    """The slot of each request for exactly the bytes of one, which nearly all are; else -1."""
    at = np.searchsorted(_FIRST_BYTES, records["start"], "right") - 1
    only = (records["start"] == _FIRST_BYTES[at]) & (records["length"] == _LENGTHS[at])
    only &= (files.is_shm[records["file"]] == _IN_SHM[at]) & (records["kind"] != Kind.CLOSE)
    return np.where(only, _BY_FIRST_BYTE[at], -1)


def _touches(records: Records, files: DatabaseFiles) -> NDArray[np.bool_]:
    """For each request and slot, whether the range meets the slot's bytes; a closed descriptor
    meets all.
    """
    touches = np.zeros((len(records), _SLOTS), np.bool_)
    first, length = records["start"], records["length"].astype(np.uint64)
    closed, is_shm = records["kind"] == Kind.CLOSE, files.is_shm[records["file"]]
    for slot in Slot:
        bytes_ = SLOT_RANGES[slot]
        beyond = (length == 0) | (first + length > bytes_.first)
        meets = closed | (beyond & (first < bytes_.end))
        touches[:, slot] = meets & (is_shm == (slot in SHM_SLOTS))
    return touches


def _events_at(records: Records, slots: NDArray[np.int64], files: DatabaseFiles) -> Events:
    """The event of each record on its slot."""
    events: Events = np.zeros(len(records), EVENT)
    for field in ("began_ns", "process", "thread", "context"):
        events[field] = records[field]
    events["ended_ns"] = records["began_ns"] + records["duration_ns"]
    events["resource"] = files.database[records["file"]] * _SLOTS + slots
    closed, asked = records["kind"] == Kind.CLOSE, records["mode"]
    mode = np.where(closed, Mode.UNLOCK, asked & ~np.uint8(kinds.BY_DESCRIPTION))
    flags = np.where(records["kind"] == Kind.LOCK_WAIT, BLOCKING, 0)
    flags[~closed & ((asked & kinds.BY_DESCRIPTION) != 0)] |= BY_DESCRIPTION
    flags[closed & ((asked & kinds.ANOTHER) != 0)] |= ANOTHER
    flags[_is_probe(slots, mode)] |= PROBE
    flags[~np.isin(records["error"], _SOMEBODY_HOLDS_IT)] |= FAILED
    denied = np.where(records["error"] == 0, Verdict.GRANTED, Verdict.DENIED)
    events["mode"], events["flags"] = mode, flags
    events["cause"] = np.where(closed, Cause.CLOSE, Cause.UNLOCK)
    events["verdict"] = np.where(mode == Mode.UNLOCK, Verdict.RELEASED, denied)
    return events


def _merged(known: list[Events], ends: Events) -> Events:
    """Events by time, with the ends of processes among them: they are few, and no sort is due."""
    ends = ends.take(stable_order(ends["began_ns"]))
    pieces: list[Events] = []
    done = 0
    for events in known:
        last_ns = events["began_ns"].max(initial=0)
        upto = max(done, int(np.searchsorted(ends["began_ns"], last_ns)))
        before = np.searchsorted(events["began_ns"], ends["began_ns"][done:upto], "right")
        pieces.append(np.insert(events, before, ends[done:upto]) if upto > done else events)
        done = upto
    return np.concatenate([*pieces, ends[done:]])


def _ends(known: list[Events], trace: Trace, files: DatabaseFiles) -> Events:
    """A release of all that a process had touched, for each exec and each end of a process, and for
    the first record that it lost.

    SQLite opens its files close-on-exec, so that a program which replaces itself drops its locks.
    """
    touched = np.zeros((len(trace.processes), len(files.paths) * _SLOTS), np.bool_)
    last_ns = np.zeros(len(trace.processes), np.uint64)
    for events in known:
        # Indices of numpy's own width: with others `at` takes ten times as long.
        of = events["process"].astype(np.intp)
        touched[of, events["resource"]] = True
        np.maximum.at(last_ns, of, events["ended_ns"].copy())
    rows: list[tuple[object, ...]] = []
    for record in succeeded(trace):
        rows += _releases(int(record["began_ns"]), int(record["process"]), touched, Cause.EXEC)
    for place, process in enumerate(trace.processes):
        if process.blind_ns:
            # A release may be among what was lost: the lock would seem to be held to the end.
            rows += _releases(process.blind_ns, place, touched, Cause.LOST)
        if process.ended_ns:
            # Handlers that run at exit still close connections after the exit was recorded.
            at_ns = max(process.ended_ns, int(last_ns[place]))
            rows += _releases(at_ns, place, touched, _end_cause(process))
    return np.array(rows, EVENT)


def _end_cause(process: Process) -> Cause:
    return Cause.EXIT if process.exited or process.end is EndMode.EXITED else Cause.KILLED


def _releases(
    at_ns: int, process: int, touched: NDArray[np.bool_], cause: Cause
) -> list[tuple[object, ...]]:
    return [
        (at_ns, at_ns, process, 0, resource, 0, Mode.UNLOCK, Verdict.RELEASED, cause, 0)
        for resource in np.flatnonzero(touched[process]).tolist()
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
    records = records.take(np.flatnonzero(files.database[records["file"]] >= 0))
    work: Events = np.zeros(len(records), WORK)
    for field in ("began_ns", "duration_ns", "process", "thread"):
        work[field] = records[field]
    work["sync"] = records["kind"] == Kind.SYNC
    work["calls"] = np.where(work["sync"], 1, records["start"])
    work["bytes"] = np.where(work["sync"], 0, records["length"])
    work["database"] = files.database[records["file"]]
    work["part"] = files.part[records["file"]]
    return work


def _last_seen(records: Records) -> NDArray[np.uint64]:
    found = [_latest(*_moments(records[part])) for part in parts(len(records))]
    return _latest(*np.concatenate(found, axis=1))


def _moments(records: Records) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The thread of each record, and its end."""
    threads = records["process"].astype(np.uint64) << np.uint64(32) | records["thread"]
    return threads, records["began_ns"] + records["duration_ns"] * _timed(records)


def _latest(threads: NDArray[np.uint64], ended_ns: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each thread once, ascending, and the latest of its moments."""
    order = stable_order(threads)
    first = runs(threads[order])[:-1]
    latest = np.maximum.reduceat(ended_ns[order], first) if len(first) else ended_ns
    return np.stack([threads[order][first], latest])
