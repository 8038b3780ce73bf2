"""Closed descriptors and removed files: how a process loses locks that it believes to hold."""

import numpy as np
from numpy.typing import NDArray

from lockscope.interpret.files import DatabaseFiles
from lockscope.interpret.model import (
    ANOTHER,
    BY_DESCRIPTION,
    CLOSURE,
    REMOVAL,
    Events,
    Verdict,
)
from lockscope.trace import kinds
from lockscope.trace.kinds import Kind, Removal
from lockscope.trace.model import Records, Trace

__all__ = ["closures_of", "removals_of", "without_foreign_closes"]


def closures_of(trace: Trace, files: DatabaseFiles) -> Events:
    """The closes of descriptors of databases, `CLOSURE` rows by time."""
    records, database = _of_databases(trace, files, Kind.CLOSE)
    closures: Events = np.zeros(len(records), CLOSURE)
    for field in ("began_ns", "process", "thread", "context"):
        closures[field] = records[field]
    closures["database"] = database
    closures["origin"] = records["length"]
    closures["another"] = (records["mode"] & kinds.ANOTHER) != 0
    return closures


def removals_of(trace: Trace, files: DatabaseFiles) -> Events:
    """The files of databases that lost their names, `REMOVAL` rows by time."""
    records, database = _of_databases(trace, files, Kind.REMOVE)
    # Of a damaged trace, or a newer recorder's: what cannot be told is no removal.
    known = np.isin(records["mode"], tuple(Removal))
    records, database = records[known], database[known]
    removals: Events = np.zeros(len(records), REMOVAL)
    for field in ("process", "thread", "context", "file"):
        removals[field] = records[field]
    removals["at_ns"] = records["began_ns"]
    removals["database"] = database
    removals["other"] = records["length"]
    removals["origin"] = records["duration_ns"]
    removals["how"] = records["mode"]
    return removals


def _of_databases(
    trace: Trace, files: DatabaseFiles, kind: Kind
) -> tuple[Records, NDArray[np.int64]]:
    records = trace.of_kind(kind)
    database = files.database[records["file"]]
    return records[database >= 0], database[database >= 0]


def without_foreign_closes(events: Events) -> Events:
    """Drop the closes that release nothing, of another descriptor than that of an OFD lock.

    A lock of an open file description lasts until the last descriptor of that description is closed
    (fcntl(2), "Open file description locks"); a process's lock goes with any of the file.

    Args:
        events: `EVENT` rows by `began_ns`.
    """
    described = (events["flags"] & BY_DESCRIPTION) != 0
    if not described.any():
        return events
    key = events["process"].astype(np.uint64) << np.uint64(32) | events["resource"]
    order = np.argsort(key, kind="stable")
    granted = events["verdict"][order] == Verdict.GRANTED
    last = np.maximum.accumulate(np.where(granted, np.arange(len(order)), -1))
    same = (last >= 0) & (key[order][last] == key[order])
    foreign = np.zeros(len(events), np.bool_)
    foreign[order] = same & described[order][last] & ((events["flags"][order] & ANOTHER) != 0)
    return events[~foreign]
