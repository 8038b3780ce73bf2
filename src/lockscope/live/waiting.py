"""Who waits for a database: by its locks, or by a thread asleep in SQLite's busy handler.

SQLite never blocks in the kernel, so no list names who waits. A process is said to wait only where
another one holds what it can want.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from lockscope.live.busy_handler import BusySleep, busy_sleep
from lockscope.live.files import DatabaseFiles
from lockscope.live.holding import Held
from lockscope.live.traced import Episode, recorded
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot

__all__ = ["Wait", "find_waits"]

_DRAINS: Final = "it holds PENDING, which is kept until the readers are gone"
_X: Final = LockMode.EXCLUSIVE


class _Wanted(NamedTuple):
    """What a process would wait for, who is in its way, and whether its locks say that it does."""

    name: str
    blockers: tuple[int, ...]
    is_certain: bool = False


_IN_WAL: Final = (
    ("SHARED", (Slot.PENDING, Slot.SHARED)),
    ("WAL DMS", (Slot.WAL_DMS,)),
    ("WAL RECOVER", (Slot.WAL_RECOVER,)),
    ("WAL WRITE", (Slot.WAL_WRITE,)),
)
"""What keeps others out, in the order in which a connection meets it (`wal.c`)."""


class Wait(NamedTuple):
    """A process that waits; as `model.Waiter` tells it.

    Attributes:
        pid: Who.
        wants: The lock it asks for.
        blockers: Pids of those in its way, the root blocker first.
        how: What shows that it waits, as a clause.
        inferred: Whether that is inferred rather than recorded.
        waited_s: For how long, seconds; None where that cannot be known.
        statement: What it wants to run, where a trace tells it.
        source: At which `file:line`.
    """

    pid: int
    wants: str
    blockers: tuple[int, ...]
    how: str
    inferred: bool = True
    waited_s: float | None = None
    statement: str | None = None
    source: str | None = None


def find_waits(
    held: tuple[Held, ...], openers: Iterable[int], files: DatabaseFiles
) -> tuple[dict[int, Wait], int]:
    """Look who waits.

    Args:
        held: What each process holds.
        openers: Pids of those that have the database open.
        files: The database.

    Returns:
        The waits by pid; and of how many processes it cannot be seen whether they wait.
    """
    drains = {one.pid: readers for one in held if (readers := _readers_before(held, one))}
    found, hidden = {}, 0
    for pid in sorted({*openers, *drains}):
        wanted = _wanted(pid, held, drains)
        if wanted is None:
            continue
        wait, is_seen = _wait(pid, wanted, held, files)
        hidden += not is_seen
        if wait is not None:
            found[pid] = wait._replace(blockers=_root_first(wait.blockers, drains))
    return found, hidden


def _wait(
    pid: int, wanted: _Wanted, held: tuple[Held, ...], files: DatabaseFiles
) -> tuple[Wait | None, bool]:
    """A process's wait, None where it is not seen to wait; and whether that could be seen."""
    sleep, is_seen = busy_sleep(pid)
    mine = next((one for one in held if one.pid == pid), None)
    thread = None if sleep is None else sleep.tid
    told = recorded(pid, mine, (files.main, files.shm), thread)
    episode = None if told is None else told.episode
    if episode is not None and (wanted.is_certain or sleep is not None or episode.is_fresh):
        return _as_recorded(pid, wanted, episode), True
    if wanted.is_certain:
        return Wait(pid, wanted.name, wanted.blockers, _DRAINS), True
    if sleep is None:
        return None, is_seen
    return Wait(pid, wanted.name, wanted.blockers, _how(sleep)), True


def _as_recorded(pid: int, wanted: _Wanted, episode: Episode) -> Wait:
    tries = "1 try" if episode.tries == 1 else f"{episode.tries} tries"
    return Wait(
        pid,
        episode.wants,
        wanted.blockers,
        f"its trace has {tries} so far, all denied",
        inferred=False,
        waited_s=episode.waited_s,
        statement=episode.statement,
        source=episode.source,
    )


def _readers_before(held: tuple[Held, ...], one: Held) -> tuple[int, ...]:
    """Who reads while a writer waits for readers to leave; empty where it does not."""
    if not one.is_draining:
        return ()
    return tuple(other.pid for other in held if other.reads and other.pid != one.pid)


def _wanted(pid: int, held: tuple[Held, ...], drains: dict[int, tuple[int, ...]]) -> _Wanted | None:
    """What a process would wait for, given what it holds and what others do; None where nobody is
    in the way of anything.
    """
    if pid in drains:
        return _Wanted("EXCLUSIVE", drains[pid], is_certain=True)
    others = [other for other in held if other.pid != pid]
    mine = next((one for one in held if one.pid == pid), None)
    is_wal = any(one.is_wal for one in held)
    return _wanted_in_wal(mine, others) if is_wal else _wanted_in_rollback(mine, others)


def _wanted_in_rollback(mine: Held | None, others: list[Held]) -> _Wanted | None:
    if mine is not None and mine.writes:
        return None  # it sleeps for reasons of its own: what it waits for, PENDING would show
    keeping_out = _who(others, (Slot.PENDING, Slot.SHARED))
    if keeping_out and (mine is None or not mine.reads):
        return _Wanted("SHARED", keeping_out)
    reserved = _who(others, (Slot.RESERVED,))
    return _Wanted("RESERVED", reserved) if reserved else None


def _wanted_in_wal(mine: Held | None, others: list[Held]) -> _Wanted | None:
    writers = _who(others, (Slot.WAL_WRITE,))
    if mine is not None and mine.has(Slot.WAL_CKPT, _X):
        # A checkpoint that has to be complete waits for the writer, then for the readers (wal.c,
        # walCheckpoint).
        readers = tuple(other.pid for other in others if other.reads)
        if writers:
            return _Wanted("WAL WRITE", writers)
        return _Wanted("WAL READ", readers) if readers else None
    if mine is not None and mine.writes:
        return None
    for name, slots in _IN_WAL:
        in_the_way = _who(others, slots)
        if in_the_way:
            return _Wanted(name, in_the_way)
    return None


def _who(others: list[Held], slots: tuple[Slot, ...]) -> tuple[int, ...]:
    """Who holds one of these exclusively."""
    return tuple(other.pid for other in others if any(other.has(slot, _X) for slot in slots))


def _root_first(blockers: tuple[int, ...], drains: dict[int, tuple[int, ...]]) -> tuple[int, ...]:
    """With those whom the blockers themselves wait for, before them."""
    roots = [pid for blocker in blockers for pid in drains.get(blocker, ())]
    return tuple(dict.fromkeys([*roots, *blockers]))


def _how(sleep: BusySleep) -> str:
    refused = f", refused for {sleep.refused_ms} ms at least" if sleep.refused_ms else ""
    if sleep.is_certain:
        where = f"asleep for {sleep.asked_ms} ms inside {sleep.library}"
    else:
        where = (
            f"{sleep.library}, which contains SQLite, sleeps for {sleep.asked_ms} ms as SQLite's "
            "busy handler does"
        )
    return where + refused
