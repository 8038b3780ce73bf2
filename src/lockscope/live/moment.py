"""A moment of several databases, with the minute before it: what a live display shows. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from lockscope.live.lanes import Lane
from lockscope.live.model import Holder, Process, Snapshot, Waiter

__all__ = ["Moment", "Row", "Watched", "processes_in", "rows_of"]

How = Literal["exact", "at least", "sampled"]
"""How it is known for how long something was so."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One database that is watched.

    Attributes:
        path: Its path, without symbolic links.
        name: As the user named it.
        snapshot: Who holds what of it; None where that cannot be told.
        problem: Why not, as a sentence; empty where it can.
    """

    path: str
    name: str
    snapshot: Snapshot | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One process on one database.

    Attributes:
        database: Path of the database.
        process: Who it is.
        lane: What it held in the last minute.
        locks: Names of what it holds now; empty where nothing but the database is open.
        held_s: For how long it has held that, or else waited, seconds; None where it does neither.
        how: Whether that is exact from a trace, at least so long by what proves it (it has not run
            since), or so in every sample.
        wants: What it waits for; empty where it does not wait.
        blockers: Pids in its way.
        doing: What it is doing, in a few words; empty where that cannot be seen.
        idle_s: For how long it has done nothing at all, seconds; None where it has or that is not
            known.
    """

    database: str
    process: Process
    lane: Lane
    locks: tuple[str, ...] = ()
    held_s: float | None = None
    how: How = "sampled"
    wants: str = ""
    blockers: tuple[int, ...] = ()
    doing: str = ""
    idle_s: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """What is shown at one moment.

    Attributes:
        now_ns: CLOCK_MONOTONIC.
        at: The wall clock's time, `HH:MM:SS`.
        samples_per_s: How often locks were sampled lately.
        watched: The databases, in the user's order.
        rows: Their processes of the last minute, in the order in which they were met.
        note: What was noticed last, as a sentence; empty where nothing was.
    """

    now_ns: int
    at: str
    samples_per_s: float
    watched: tuple[Watched, ...]
    rows: tuple[Row, ...]
    note: str = ""


def processes_in(snapshot: Snapshot) -> tuple[Process, ...]:
    """Every process of a snapshot; one that holds and waits twice."""
    return (
        *(opener.process for opener in snapshot.attached),
        *(waiter.process for waiter in snapshot.waiters),
        *(holder.process for holder in snapshot.holders),
    )


def rows_of(
    lanes: Iterable[Lane], snapshots: Iterable[Snapshot], known: dict[int, Process], now_ns: int
) -> tuple[Row, ...]:
    """A row for each lane, with what the snapshots tell of its process.

    Args:
        lanes: What was held.
        snapshots: At most one of each database.
        known: Processes that are in no snapshot, by pid.
        now_ns: When.
    """
    holders: dict[tuple[str, int], Holder] = {}
    waiters: dict[tuple[str, int], Waiter] = {}
    processes: dict[tuple[str, int], Process] = {}
    for snapshot in snapshots:
        path = snapshot.database
        holders.update({(path, one.process.pid): one for one in snapshot.holders})
        waiters.update({(path, one.process.pid): one for one in snapshot.waiters})
        processes.update({(path, one.pid): one for one in processes_in(snapshot)})
    rows = []
    for lane in lanes:
        key = (lane.database, lane.pid)
        process = processes.get(key) or known.get(lane.pid) or Process(lane.pid)
        holder = holders.get(key)
        row = _held(Row(lane.database, process, lane), holder, now_ns)
        writes = holder is not None and holder.writes
        rows.append(_waiting(row, waiters.get(key), now_ns, writes=writes))
    return tuple(rows)


def _held(row: Row, holder: Holder | None, now_ns: int) -> Row:
    since_ns = row.lane.since_ns
    seen_s = None if since_ns is None else (now_ns - since_ns) / 1e9
    if holder is None:
        return row
    told_s = holder.held_s if holder.held_s and holder.held_how else None
    is_told = told_s is not None and (holder.held_how == "exact" or told_s >= (seen_s or 0))
    return replace(
        row,
        locks=tuple(lock.name for lock in holder.locks),
        held_s=told_s if is_told else seen_s,
        how=holder.held_how if is_told and holder.held_how else "sampled",
        doing=holder.doing,
        idle_s=holder.idle_s,
    )


def _waiting(row: Row, waiter: Waiter | None, now_ns: int, *, writes: bool) -> Row:
    if waiter is None:
        return row
    told = replace(row, wants=waiter.wants or "it", blockers=waiter.blockers)
    # With a log, a waiter takes a snapshot at each try and gives it back: it holds nothing.
    only_tries = any(name.startswith("WAL") for name in row.locks) and not writes
    if row.held_s is not None and not only_tries:
        return told
    since_ns = row.lane.waits_since_ns
    seen_s = None if since_ns is None else (now_ns - since_ns) / 1e9
    exact_s = None if waiter.inferred else waiter.waited_s
    how: How = "exact" if exact_s else "sampled"
    return replace(told, locks=(), held_s=exact_s or seen_s, how=how)
