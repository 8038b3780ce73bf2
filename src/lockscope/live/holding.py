"""Who holds which of SQLite's locks: the kernel's list, in SQLite's words."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from lockscope.capture.proc_locks import KernelLock
from lockscope.live.model import HeldLock
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import (
    DATABASE_SLOTS,
    READ_SLOTS,
    SHM_SLOTS,
    Slot,
    lock_name,
    meaning,
    slots_in,
)

__all__ = ["Held", "held_locks"]

_WRITING: Final = frozenset(
    {Slot.PENDING, Slot.RESERVED, Slot.SHARED, Slot.WAL_WRITE, Slot.WAL_RECOVER, Slot.WAL_DMS}
)
"""Locked exclusively, each of these refuses a write by anybody else."""

_Mode = tuple[Slot, LockMode]
_ATTACHED: Final = frozenset({(Slot.SHARED, LockMode.SHARED), (Slot.WAL_DMS, LockMode.SHARED)})
_EXCLUSIVE: Final = (Slot.SHARED, LockMode.EXCLUSIVE)
_RESERVED: Final = (Slot.RESERVED, LockMode.EXCLUSIVE)
_TOGETHER: Final = {
    ((Slot.PENDING, LockMode.EXCLUSIVE), _EXCLUSIVE): "keeps new readers out",
    (_RESERVED, _EXCLUSIVE): "is in a write transaction",
    (_RESERVED, (Slot.PENDING, LockMode.EXCLUSIVE)): "is in a write transaction",
    ((Slot.SHARED, LockMode.SHARED), _RESERVED): "reads what its own transaction sees",
}
"""What a lock means beside another of the same process, where that is less than it means alone."""


class Held(NamedTuple):
    """What one process holds of one database.

    Attributes:
        pid: The process; 0 where the kernel names none.
        slots: Each slot and its mode, in the order of the byte map.
        locks: The same in words.
        is_wal: Whether the database is in WAL mode, where SHARED means no more than open.
    """

    pid: int
    slots: tuple[_Mode, ...]
    locks: tuple[HeldLock, ...]
    is_wal: bool

    @property
    def writes(self) -> bool:
        """Whether it refuses a write by anybody else."""
        return any(slot in _WRITING and mode is LockMode.EXCLUSIVE for slot, mode in self.slots)

    @property
    def is_merely_attached(self) -> bool:
        """Whether it stands in nobody's way: in WAL mode every open connection holds as much."""
        return self.is_wal and _ATTACHED.issuperset(self.slots)

    @property
    def is_draining(self) -> bool:
        """Whether it lets no new reader in and waits for those that read: PENDING, not yet
        EXCLUSIVE (`pager.c`, pager_wait_on_lock).
        """
        return self.has(Slot.PENDING, LockMode.EXCLUSIVE) and not self.has(
            Slot.SHARED, LockMode.EXCLUSIVE
        )

    @property
    def reads(self) -> bool:
        """Whether it reads: SHARED in a rollback mode, a read mark in WAL mode."""
        if self.is_wal:
            return any(self.has(slot, LockMode.SHARED) for slot in READ_SLOTS)
        return self.has(Slot.SHARED, LockMode.SHARED)

    def has(self, slot: Slot, mode: LockMode) -> bool:
        """Whether it holds a slot in a mode."""
        return (slot, mode) in self.slots


def held_locks(
    main: Iterable[KernelLock], shm: Iterable[KernelLock], names: tuple[str, str], *, is_wal: bool
) -> tuple[Held, ...]:
    """What each process holds, by pid.

    Args:
        main: Locks on the database's file.
        shm: Locks on its `-shm`.
        names: Paths of the two files.
        is_wal: Whether the database is in WAL mode.
    """
    found: dict[int, dict[_Mode, KernelLock]] = {}
    for locks, candidates in ((main, DATABASE_SLOTS), (shm, SHM_SLOTS)):
        for lock in locks:
            for slot in slots_in(lock.start, lock.length, candidates):
                found.setdefault(lock.pid, {})[slot, LockMode(int(lock.mode))] = lock
    return tuple(_held(pid, found[pid], names, is_wal=is_wal) for pid in sorted(found))


def _held(
    pid: int, locks: dict[_Mode, KernelLock], names: tuple[str, str], *, is_wal: bool
) -> Held:
    slots = tuple(sorted(locks))
    return Held(
        pid,
        slots,
        tuple(
            HeldLock(
                lock_name(slot, mode),
                names[slot in SHM_SLOTS],
                _told((slot, mode), slots, is_wal=is_wal),
                locks[slot, mode].described,
            )
            for slot, mode in slots
        ),
        is_wal,
    )


def _told(one: _Mode, slots: tuple[_Mode, ...], *, is_wal: bool) -> str:
    if not is_wal:
        for (own, beside), told in _TOGETHER.items():
            if own == one and beside in slots:
                return told
    return meaning(*one, is_wal=is_wal)
