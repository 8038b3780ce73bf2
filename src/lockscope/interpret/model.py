"""Lock events: what records mean, in one shape for every engine."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lockscope.trace.model import Context, Gap, Process

__all__ = [
    "ANOTHER",
    "BLOCKING",
    "BY_DESCRIPTION",
    "CLOSURE",
    "EVENT",
    "FAILED",
    "FORK",
    "HALT",
    "PAUSE",
    "PROBE",
    "REMOVAL",
    "STATEMENT",
    "WORK",
    "Cause",
    "Events",
    "Interpretation",
    "Part",
    "Resource",
    "Sampling",
    "Verdict",
]

Events = NDArray[Any]
"""A one-dimensional structured array."""


class Verdict(IntEnum):
    """What became of a request for a resource."""

    GRANTED = 1
    DENIED = 2
    RELEASED = 3


class Cause(IntEnum):
    """Why a resource was released."""

    UNLOCK = 0
    CLOSE = 1
    EXEC = 2
    EXIT = 3
    KILLED = 4
    CHANGED = 5
    TRACE_ENDED = 6
    NOT_SEEN = 7
    LOST = 8


class Part(IntEnum):
    """Which of a database's files."""

    MAIN = 0
    SHM = 1
    WAL = 2
    JOURNAL = 3


EVENT: Final = np.dtype(
    [
        ("began_ns", "<u8"),
        ("ended_ns", "<u8"),
        ("process", "<u4"),
        ("thread", "<u4"),
        ("resource", "<u4"),
        ("context", "<u4"),
        ("mode", "u1"),
        ("verdict", "u1"),
        ("cause", "u1"),
        ("flags", "u1"),
    ]
)
"""One request for one resource and its verdict; `mode` as `locks.LockMode`. `began_ns` and
`ended_ns` are those of the call: the kernel decided somewhere between. `flags` are `BLOCKING`,
`PROBE`, `BY_DESCRIPTION`, `ANOTHER` and `FAILED`."""

BLOCKING: Final = 1
"""The request waited in the kernel (F_SETLKW)."""
PROBE: Final = 2
"""The engine asks this now and then without needing it: a denial with no sleep after it is no
refusal."""

BY_DESCRIPTION: Final = 4
"""The lock is the open file description's, not the process's (F_OFD_SETLK)."""
ANOTHER: Final = 8
"""The release is a close of a descriptor that no lock was ever taken through."""
FAILED: Final = 16
"""The denial says nothing of a holder: the system could not lock, as on a broken network mount."""

CLOSURE: Final = np.dtype(
    [
        ("began_ns", "<u8"),
        ("process", "<u4"),
        ("thread", "<u4"),
        ("database", "<u4"),
        ("context", "<u4"),
        ("origin", "<u4"),
        ("another", "u1"),
    ]
)
"""One close of a descriptor of a database's files; `origin` is the text of the place in the
program's code, `another` whether no lock was ever taken through the descriptor."""

REMOVAL: Final = np.dtype(
    [
        ("at_ns", "<u8"),
        ("process", "<u4"),
        ("thread", "<u4"),
        ("database", "<u4"),
        ("file", "<u4"),
        ("context", "<u4"),
        ("other", "<u4"),
        ("origin", "<u4"),
        ("how", "u1"),
    ]
)
"""One file of a database that lost its name; `how` as `trace.kinds.Removal`, `other` is the text of
its new path or of the path of what took its place, `origin` that of the place in the program's
code."""

HALT: Final = np.dtype(
    [("began_ns", "<u8"), ("ended_ns", "<u8"), ("process", "<u4"), ("state", "u1")]
)
"""A span in which every sample showed a holder that does not go on; `state` is `ord("T")` where it
was stopped, `ord("D")` where it was asleep without interruption, as on a disk."""

FORK: Final = np.dtype([("at_ns", "<u8"), ("process", "<u4"), ("child", "<u4")])
"""One fork; `child` is the place of the new process, which recorded something as well."""

PAUSE: Final = np.dtype(
    [
        ("began_ns", "<u8"),
        ("ended_ns", "<u8"),
        ("asked_ns", "<u8"),
        ("process", "<u4"),
        ("thread", "<u4"),
        ("context", "<u4"),
    ]
)
"""One sleep of a thread that has asked for locks."""

STATEMENT: Final = np.dtype(
    [
        ("began_ns", "<u8"),
        ("ended_ns", "<u8"),
        ("connection", "<u8"),
        ("process", "<u4"),
        ("thread", "<u4"),
        ("context", "<u4"),
        ("message", "<u4"),
        ("error", "<u2"),
        ("method", "u1"),
    ]
)
"""One call into a database driver; `error` is the extended result code, 0 for success."""

WORK: Final = np.dtype(
    [
        ("began_ns", "<u8"),
        ("duration_ns", "<u8"),
        ("calls", "<u8"),
        ("bytes", "<u8"),
        ("process", "<u4"),
        ("thread", "<u4"),
        ("database", "<u4"),
        ("sync", "u1"),
        ("part", "u1"),
    ]
)
"""Writes (added up between two lock changes) or one sync (`sync` 1) on one file of a database;
`part` is the file's `Part`."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One lockable thing of a database.

    Attributes:
        database: Place of the database in `Interpretation.databases`.
        title: As people read it: `app.db RESERVED`, `app.db WAL WRITE`.
        slot: Number of the engine's slot; SQLite's is a `locks.sqlite.Slot`.
        leads_to: Place of the resource that is wanted by whoever asks for this one: itself, but for
            a gate that is passed on the way (SQLite's PENDING byte on the way to the SHARED bytes).
    """

    database: int
    title: str
    slot: int
    leads_to: int


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the locks of a trace were sampled from outside.

    Attributes:
        count: Samples that were taken.
        mean_ns: Time between the beginnings of two of them, on average.
        longest_ns: The longest such time.
        alone: Whether nothing else recorded locks: what is shorter than a sample may be missed,
            and waits cannot be seen.
        notes: What the sampler has to say.
    """

    count: int
    mean_ns: int
    longest_ns: int
    alone: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What the records of a trace mean.

    Attributes:
        processes: As in the trace, then those that were only seen by sampling; a `process` column
            is a place in this tuple.
        databases: Paths; a `database` column is a place in this tuple.
        resources: A `resource` column is a place in this tuple.
        contexts: As in the trace; a `context` column is a place in this tuple.
        texts: As in the trace; a `message` column is a place in this tuple.
        events: `EVENT` rows by `began_ns`.
        pauses: `PAUSE` rows by `began_ns`.
        statements: `STATEMENT` rows by `began_ns`.
        work: `WORK` rows by `began_ns`.
        last_seen: `process << 32 | thread` of each thread, ascending, and the end of its last
            record, in two rows.
        began_ns: When the recording began.
        ended_ns: When it ended, or its last record where it was cut off.
        inferred: Whether the events were made from statements, for want of recorded locks.
        gaps: As in the trace, and what the interpretation adds.
        sampling: How locks were sampled, None where they were not.
        closures: `CLOSURE` rows by time.
        removals: `REMOVAL` rows by time.
        files: Paths of the trace's files; a `file` column is a place in this tuple.
        halts: `HALT` rows by time.
        forks: `FORK` rows by time.
        file_systems: Type of the file system of each database, empty where unknown.
    """

    processes: tuple[Process, ...]
    databases: tuple[str, ...]
    resources: tuple[Resource, ...]
    contexts: tuple[Context, ...]
    texts: tuple[str, ...]
    events: Events
    pauses: Events
    statements: Events
    work: Events
    last_seen: NDArray[np.uint64]
    began_ns: int
    ended_ns: int
    inferred: bool
    gaps: tuple[Gap, ...]
    sampling: Sampling | None = None
    closures: Events = field(default_factory=lambda: np.zeros(0, CLOSURE))
    removals: Events = field(default_factory=lambda: np.zeros(0, REMOVAL))
    files: tuple[str, ...] = ()
    halts: Events = field(default_factory=lambda: np.zeros(0, HALT))
    forks: Events = field(default_factory=lambda: np.zeros(0, FORK))
    file_systems: tuple[str, ...] = ()
