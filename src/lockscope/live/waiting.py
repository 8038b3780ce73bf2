"""Who waits for a database: by its locks, or by a thread asleep in SQLite's busy handler.

SQLite never blocks in the kernel, so no list names who waits. A process is said to wait only where
another one holds what it can want.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from lockscope.live.busy_handler import BusySleep, busy_sleep
from lockscope.live.holding import Held
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot

__all__ = ["Wait", "find_waits"]

_DRAINS: Final = "it holds PENDING, which is kept until the readers are gone"
_X: Final = LockMode.EXCLUSIVE


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


def find_waits(held: tuple[Held, ...], openers: Iterable[int]) -> tuple[dict[int, Wait], int]:
    """Look who waits.

    Args:
        held: What each process holds.
        openers: Pids of those that have the database open.

    Returns:
        The waits by pid; and of how many processes it cannot be seen whether they wait.
    """
    drains = {one.pid: readers for one in held if (readers := _readers_before(held, one))}
    found = {pid: Wait(pid, "EXCLUSIVE", readers, _DRAINS) for pid, readers in drains.items()}
    hidden = 0
    for pid in sorted(set(openers) - drains.keys()):
        wanted = _wanted(pid, held)
        if wanted is None:
            continue
        sleep, is_seen = busy_sleep(pid)
        hidden += not is_seen
        if sleep is not None:
            wants, blockers = wanted
            found[pid] = Wait(pid, wants, _root_first(blockers, drains), _how(sleep))
    return found, hidden


def _readers_before(held: tuple[Held, ...], one: Held) -> tuple[int, ...]:
    """Who reads while a writer waits for readers to leave; empty where it does not."""
    if not one.is_draining:
        return ()
    return tuple(other.pid for other in held if other.reads and other.pid != one.pid)


def _wanted(pid: int, held: tuple[Held, ...]) -> tuple[str, tuple[int, ...]] | None:
    """What a process would wait for, given what it holds and what others do, and who they are; None
    where nobody is in the way of anything.
    """
    others = [other for other in held if other.pid != pid]
    mine = next((one for one in held if one.pid == pid), None)
    is_wal = any(one.is_wal for one in held)
    return _wanted_in_wal(mine, others) if is_wal else _wanted_in_rollback(mine, others)


def _wanted_in_rollback(
    mine: Held | None, others: list[Held]
) -> tuple[str, tuple[int, ...]] | None:
    if mine is not None and mine.writes:
        return None  # it sleeps for reasons of its own: what it waits for, PENDING would show
    keeping_out = _who(others, (Slot.PENDING, Slot.SHARED))
    if keeping_out and (mine is None or not mine.reads):
        return "SHARED", keeping_out
    reserved = _who(others, (Slot.RESERVED,))
    return ("RESERVED", reserved) if reserved else None


def _wanted_in_wal(mine: Held | None, others: list[Held]) -> tuple[str, tuple[int, ...]] | None:
    writers = _who(others, (Slot.WAL_WRITE,))
    if mine is not None and mine.has(Slot.WAL_CKPT, _X):
        # A checkpoint that has to be complete waits for the writer, then for the readers (wal.c,
        # walCheckpoint).
        readers = tuple(other.pid for other in others if other.reads)
        return ("WAL WRITE", writers) if writers else ("WAL READ", readers) if readers else None
    if mine is not None and mine.writes:
        return None
    for name, slots in (
        ("SHARED", (Slot.PENDING, Slot.SHARED)),
        ("WAL DMS", (Slot.WAL_DMS,)),
        ("WAL RECOVER", (Slot.WAL_RECOVER,)),
    ):
        in_the_way = _who(others, slots)
        if in_the_way:
            return name, in_the_way
    return ("WAL WRITE", writers) if writers else None


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
