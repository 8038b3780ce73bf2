"""One look at who holds what: the kernel's list, and what it leaves out."""

import fcntl
import os
import struct
from typing import Final, Self

from lockscope.capture.holders import holder_of_description
from lockscope.capture.mounts import mount_of
from lockscope.capture.proc_locks import Identity, KernelLock, LockList, identities
from lockscope.live.files import DatabaseFile, DatabaseFiles, file_at
from lockscope.live.holding import Held, held_locks
from lockscope.locks.file_systems import unfit
from lockscope.locks.sqlite import DATABASE_SLOTS, SHM_SLOTS, SLOT_RANGES, Slot, slots_in
from lockscope.trace.kinds import Mode

__all__ = ["LockSight"]

_FLOCK: Final = struct.Struct("hhqqi4x")
"""`struct flock` of Linux on 64 bits (`fcntl(2)`): type, whence, start, length, pid."""
_MOST_READS: Final = 3
"""Where transactions take less time than a look, the two never agree."""
_NOBODY_HERE: Final = 0
"""The pid that F_GETLK gives for a process of another PID namespace (`fs/locks.c`,
locks_translate_pid)."""


class LockSight:
    """The locks of a database, looked at again and again; a context manager.

    Only for a process that does not use the database: see `files.opened`.

    Attributes:
        files: The database.
        unfit: Why locks of others may not be seen on its file system; None where all are seen.

    Raises:
        CaptureError: The kernel's list of locks cannot be read here.
    """

    def __init__(self, files: DatabaseFiles) -> None:
        self.files = files
        self.unfit = unfit(mount_of(files.main.path).kind)
        self._main = identities(files.main.path, files.main.device, files.main.inode)
        self._shm: tuple[DatabaseFile | None, tuple[Identity, ...]] = (None, ())
        self._described: dict[KernelLock, int] = {}
        self._list = LockList()
        self._open: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._list.__enter__()
        self._list.check()
        return self

    def __exit__(self, *_: object) -> None:
        self._list.__exit__()
        for descriptor in self._open.values():
            os.close(descriptor)

    @property
    def is_settled(self) -> bool:
        """Whether the list was whole when it was last read."""
        return self._list.is_settled

    def held(self) -> tuple[Held, ...]:
        """Who holds what now, by pid.

        The list is read again where F_GETLK names a holder that it lacks: a lock that was taken
        meanwhile, or one that was missed since the list changed between two of its pages.
        """
        main_path, shm_path = self.files.main.path, f"{self.files.main.path}-shm"
        for _ in range(_MOST_READS):
            shm = self._shm_names()
            seen = self._list.locks({*self._main, *shm})
            main, main_lacks = self._of(seen, self._main, main_path, DATABASE_SLOTS)
            index, index_lacks = self._of(seen, shm, shm_path, SHM_SLOTS)
            if not main_lacks and not index_lacks:
                break
        return held_locks(main, index, (main_path, shm_path), is_wal=self.files.is_wal)

    def held_of(self, other: DatabaseFile, *, is_shm: bool) -> tuple[Held, ...]:
        """Who holds what of a file that lay at the path before."""
        names = identities(other.path, other.device, other.inode)
        seen = self._list.locks(names)
        main, shm = ([], seen) if is_shm else (seen, [])
        return held_locks(main, shm, (other.path, other.path), is_wal=self.files.is_wal)

    def _shm_names(self) -> tuple[Identity, ...]:
        shm = file_at(f"{self.files.main.path}-shm")
        if shm is None:
            return ()
        if self._shm[0] is None or shm.inode != self._shm[0].inode:
            self._shm = shm, identities(shm.path, shm.device, shm.inode)
            self._close(shm.path)
        return self._shm[1]

    def _of(
        self,
        seen: set[KernelLock],
        names: tuple[Identity, ...],
        path: str,
        slots: tuple[Slot, ...],
    ) -> tuple[list[KernelLock], bool]:
        """The locks on one file, each with its process as far as it can be found; and whether the
        list lacks one of a process that it can name.
        """
        if not names:
            return [], False
        found = [self._attributed(lock, names) for lock in seen if lock[:2] in names]
        asked = self._conflicting(path, slots)
        listed = {
            (lock.pid, slot) for lock in found for slot in slots_in(lock.start, lock.length, slots)
        }
        lacks = any(lock.pid > 0 and (lock.pid, slot) not in listed for slot, lock in asked)
        return found + [lock for _, lock in asked if lock.pid == _NOBODY_HERE], lacks

    def _attributed(self, lock: KernelLock, names: tuple[Identity, ...]) -> KernelLock:
        if not lock.described:
            return lock
        if lock not in self._described:
            self._described[lock] = holder_of_description(lock, frozenset(names))
        return lock._replace(pid=self._described[lock])

    def _conflicting(self, path: str, slots: tuple[Slot, ...]) -> list[tuple[Slot, KernelLock]]:
        """A lock of each slot that somebody holds, as F_GETLK names it: also those of processes of
        another PID namespace, which the list leaves out.

        It names one holder of each slot: those who only share one may stay hidden behind a process
        that is listed.
        """
        if self.unfit is not None:
            return []  # it would ask another machine, which may not answer
        descriptor = self._descriptor(path)
        if descriptor is None:
            return []
        asked = [(slot, _conflicting(descriptor, slot)) for slot in slots]
        return [(slot, lock) for slot, lock in asked if lock is not None]

    def _descriptor(self, path: str) -> int | None:
        if path not in self._open:
            try:
                flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
                self._open[path] = os.open(path, flags)
            except OSError:
                return None
        return self._open[path]

    def _close(self, path: str) -> None:
        if path in self._open:
            os.close(self._open.pop(path))


def _conflicting(descriptor: int, slot: Slot) -> KernelLock | None:
    """A lock on a slot, None where there is none; its pid is -1 for an open file description's."""
    first, end = SLOT_RANGES[slot].first, SLOT_RANGES[slot].end
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, first, end - first, 0)
    try:
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    except OSError:
        return None
    if kind == fcntl.F_UNLCK:
        return None
    mode = Mode.EXCLUSIVE if kind == fcntl.F_WRLCK else Mode.SHARED
    return KernelLock(0, 0, pid, mode, first, end - first)
