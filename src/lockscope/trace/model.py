"""A trace in memory: many processes' records in one array, and the tables that its numbers point
into.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockscope.trace.kinds import EndMode
from lockscope.trace.manifest import Manifest
from lockscope.trace.rows import parts

__all__ = ["Context", "Gap", "Process", "Records", "Trace", "TracedFile"]

Records = NDArray[Any]
"""A one-dimensional structured array."""


@dataclass(frozen=True, slots=True)
class TracedFile:
    """A file that was locked, or a journal of one."""

    device: int
    inode: int
    path: str


@dataclass(frozen=True, slots=True)
class Context:
    """A statement at a place: its SQL, and the `path:line` that ran it; either may be empty."""

    statement: str
    source: str


@dataclass(frozen=True, slots=True)
class Process:
    """A process that was recorded; an exec keeps the process and changes its command.

    Attributes:
        pid: Its process id; reused ids are told apart by the start of the process.
        parent: Its parent's pid, 0 where unknown.
        command: Its command line, of its last program.
        folder: Its working folder when that program started.
        began_ns: When its recording began: with the first that it had to do with a database.
        ended_ns: When it ended, 0 where nothing shows that it did.
        end: What is known of the end: by itself or by the supervisor.
        status: Exit status, or the number of the signal; None where unknown.
        exited: Whether its last recorded program ended of itself, by an exit or an exec; one that
            was killed could not record that.
        lost: Records that could not be kept.
        blind_ns: When the first of those was lost, 0 never.
        watched: False for lockscope itself, which only watches the others.
        recorded: False where it recorded nothing itself and was only seen by sampling.
    """

    pid: int
    parent: int = 0
    command: str = ""
    folder: str = ""
    began_ns: int = 0
    ended_ns: int = 0
    end: EndMode = EndMode.UNSEEN
    status: int | None = None
    exited: bool = False
    lost: int = 0
    blind_ns: int = 0
    watched: bool = True
    recorded: bool = True


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that the trace does not hold although it happened, or may have.

    Attributes:
        pid: The process concerned, 0 where none can be named.
        began_ns: From when on, 0 where unknown.
        sentence: What is missing and why.
    """

    pid: int
    began_ns: int
    sentence: str


@dataclass(frozen=True)
class Trace:
    """A trace in memory.

    Attributes:
        path: Its folder.
        manifest: What was recorded, where, with what.
        processes: In order of their beginning; a record's `process` is a place in this tuple.
        files: A record's `file` is a place in this tuple; place 0 is no file.
        contexts: A record's `context` is a place in this tuple; place 0 is no context.
        texts: What remains of a record's texts are places in this tuple; place 0 is empty.
        records: `MERGED` records of all processes, by `began_ns`.
        gaps: What is missing.
    """

    path: Path
    manifest: Manifest
    processes: tuple[Process, ...]
    files: tuple[TracedFile, ...]
    contexts: tuple[Context, ...]
    texts: tuple[str, ...]
    records: Records
    gaps: tuple[Gap, ...]

    def places(self, *kinds: int) -> NDArray[np.int64]:
        """Places of the records of some kinds, in order of time."""
        chosen = [self._by_kind[kind] for kind in kinds if kind in self._by_kind]
        if len(chosen) == 1:
            return chosen[0]
        return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)

    def of_kind(self, *kinds: int) -> Records:
        """The records of some kinds, in order of time; copied."""
        # `take` copies a structured row at once; indexing goes field by field, 30 times slower.
        return self.records.take(self.places(*kinds))

    def in_parts(self, *kinds: int) -> Iterator[Records]:
        """The same, so many at a time as fit into a cache; an empty part where there are none."""
        places = self.places(*kinds)
        for part in parts(len(places)):
            yield self.records.take(places[part])

    @cached_property
    def _by_kind(self) -> dict[int, NDArray[np.int64]]:
        kinds = np.ascontiguousarray(self.records["kind"])
        seen = np.flatnonzero(np.bincount(kinds)).tolist()
        return {kind: np.flatnonzero(kinds == kind) for kind in seen}
