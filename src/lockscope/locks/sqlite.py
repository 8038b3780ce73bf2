"""Where SQLite keeps its locks: byte ranges of the database file and of the `-shm` file beside it.

The offsets are part of SQLite's file format (`os.h`: PENDING_BYTE, RESERVED_BYTE, SHARED_FIRST,
SHARED_SIZE; `os_unix.c`: UNIX_SHM_BASE, UNIX_SHM_DMS; `wal.c`: WAL_WRITE_LOCK and following).
"""

from enum import IntEnum
from typing import Final, NamedTuple

from lockscope.locks.modes import LockMode

__all__ = [
    "DATABASE_SLOTS",
    "READ_SLOTS",
    "SHM_SLOTS",
    "SLOT_RANGES",
    "ByteRange",
    "Slot",
    "lock_name",
    "meaning",
    "slots_in",
]

_PENDING_BYTE: Final = 0x40000000
_SHM_BASE: Final = 120


class Slot(IntEnum):
    """One lockable thing of a database."""

    PENDING = 0
    RESERVED = 1
    SHARED = 2
    WAL_WRITE = 3
    WAL_CKPT = 4
    WAL_RECOVER = 5
    WAL_READ0 = 6
    WAL_READ1 = 7
    WAL_READ2 = 8
    WAL_READ3 = 9
    WAL_READ4 = 10
    WAL_DMS = 11

    @property
    def title(self) -> str:
        """As people write it: `RESERVED`, `WAL WRITE`."""
        return self.name.replace("_", " ")


class ByteRange(NamedTuple):
    """Bytes `first` (included) to `end` (excluded) of a file."""

    first: int
    end: int


SLOT_RANGES: Final[dict[Slot, ByteRange]] = {
    Slot.PENDING: ByteRange(_PENDING_BYTE, _PENDING_BYTE + 1),
    Slot.RESERVED: ByteRange(_PENDING_BYTE + 1, _PENDING_BYTE + 2),
    Slot.SHARED: ByteRange(_PENDING_BYTE + 2, _PENDING_BYTE + 512),
    **{
        slot: ByteRange(_SHM_BASE + place, _SHM_BASE + place + 1)
        for place, slot in enumerate(list(Slot)[3:])
    },
}
"""The bytes of each slot. SHARED is 510 bytes wide so that a system without shared locks can lock
one at random."""

DATABASE_SLOTS: Final = (Slot.PENDING, Slot.RESERVED, Slot.SHARED)
SHM_SLOTS: Final = tuple(slot for slot in Slot if slot not in DATABASE_SLOTS)
READ_SLOTS: Final = tuple(slot for slot in Slot if slot.name.startswith("WAL_READ"))

_MEANINGS: Final[dict[tuple[Slot, LockMode], str]] = {
    (Slot.PENDING, LockMode.SHARED): "is about to read",
    (Slot.PENDING, LockMode.EXCLUSIVE): "lets no new reader in, until those that read are gone",
    (Slot.RESERVED, LockMode.EXCLUSIVE): "is in a write transaction; others may still read",
    (Slot.SHARED, LockMode.SHARED): "is reading: a commit has to wait for it",
    (Slot.SHARED, LockMode.EXCLUSIVE): "has the file for itself; nobody may read or write",
    (Slot.WAL_WRITE, LockMode.EXCLUSIVE): "is in a write transaction; others may read",
    (Slot.WAL_CKPT, LockMode.EXCLUSIVE): "is copying the log into the database",
    (Slot.WAL_RECOVER, LockMode.EXCLUSIVE): "is rebuilding the log's index; nobody may start",
    (Slot.WAL_READ0, LockMode.SHARED): "is reading the database file, and nothing of the log",
    (Slot.WAL_READ0, LockMode.EXCLUSIVE): "is writing the log back into the database",
    (Slot.WAL_DMS, LockMode.SHARED): "is attached",
    (Slot.WAL_DMS, LockMode.EXCLUSIVE): "is setting up the log's index; nobody may attach",
}
_READING: Final = "is reading a snapshot, which no checkpoint may overwrite"
_MARKING: Final = "is moving a reader's mark, or making the log start anew"


def meaning(slot: Slot, mode: LockMode, *, is_wal: bool = False) -> str:
    """What holding a lock says of the holder, as the end of a sentence about it.

    From the protocol of `pager.c`, `wal.c` and `os_unix.c`.

    Args:
        slot: What is locked.
        mode: How.
        is_wal: Whether the database is in WAL mode, where every open connection keeps SHARED.
    """
    if is_wal and (slot, mode) == (Slot.SHARED, LockMode.SHARED):
        return "has the database open"
    if slot in READ_SLOTS[1:]:
        return _READING if mode is LockMode.SHARED else _MARKING
    return _MEANINGS.get((slot, mode), "asks whether somebody else holds it")


def slots_in(start: int, length: int, candidates: tuple[Slot, ...]) -> tuple[Slot, ...]:
    """The slots that a byte range touches.

    By intersection, never equality: SQLite takes several slots in one request, and the kernel
    merges ranges.

    Args:
        start: First byte.
        length: Bytes; 0 means to the end of the file, as in `struct flock`.
        candidates: `DATABASE_SLOTS` or `SHM_SLOTS`, by the kind of file.
    """
    end = start + length
    return tuple(
        slot
        for slot in candidates
        if SLOT_RANGES[slot].end > start and (length == 0 or SLOT_RANGES[slot].first < end)
    )


def lock_name(slot: Slot, mode: LockMode) -> str:
    """What SQLite calls a lock: the shared bytes locked exclusively are EXCLUSIVE, not SHARED."""
    if slot is Slot.SHARED and mode is LockMode.EXCLUSIVE:
        return "EXCLUSIVE"
    return slot.title
