"""This moment: who holds what of a database, and who waits for it."""

import time
from pathlib import Path

from lockscope.capture.proc_locks import KernelLock, LockList, identities
from lockscope.live.closeup import look_closer
from lockscope.live.files import DatabaseFile, DatabaseFiles, find_files
from lockscope.live.holding import Held, held_locks
from lockscope.live.model import Holder, Opener, Snapshot, Waiter
from lockscope.live.processes import look_at
from lockscope.live.wal import read_wal

__all__ = ["who"]


def who(path: Path, *, stack: bool = True) -> Snapshot:
    """Look who holds what of a database now.

    Reads `/proc/locks`, `/proc/PID` and the headers of the files; takes no lock and waits for
    nobody.

    Args:
        path: The database.
        stack: Whether to read the Python stacks of those in the way, by py-spy.

    Raises:
        DatabaseError: There is no database at the path, or it may not be read.
        CaptureError: The kernel's list of locks cannot be read here.
    """
    files = find_files(path)
    held = _held(files)
    return Snapshot(
        database=files.main.path,
        at=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        write_locked=any(one.writes for one in held),
        holders=look_closer(_holders(held), stack=stack),
        waiters=_draining(held),
        attached=tuple(
            Opener(look_at(one.pid), one.locks) for one in held if one.is_merely_attached
        ),
        wal=read_wal(files, held),
        notes=(),
        is_wal=files.is_wal,
    )


def _held(files: DatabaseFiles) -> tuple[Held, ...]:
    with LockList() as locks:
        locks.check()
        main, shm = _names(files.main), _names(files.shm)
        seen = locks.locks({*main, *shm})
    return held_locks(
        _of(seen, main),
        _of(seen, shm),
        (files.main.path, f"{files.main.path}-shm"),
        is_wal=files.is_wal,
    )


def _names(file: DatabaseFile | None) -> tuple[tuple[int, int], ...]:
    return () if file is None else identities(file.path, file.device, file.inode)


def _of(locks: set[KernelLock], names: tuple[tuple[int, int], ...]) -> list[KernelLock]:
    return [lock for lock in locks if (lock.device, lock.inode) in names]


def _readers_before(held: tuple[Held, ...], one: Held) -> tuple[int, ...]:
    """Who reads while a writer waits for readers to leave; empty where it does not."""
    if not one.is_draining:
        return ()
    return tuple(other.pid for other in held if other.reads and other.pid != one.pid)


def _holders(held: tuple[Held, ...]) -> tuple[Holder, ...]:
    blocked = {one.pid: _readers_before(held, one) for one in held}
    holders = [
        Holder(
            look_at(one.pid),
            one.locks,
            writes=one.writes,
            blocks=tuple(pid for pid, readers in blocked.items() if one.pid in readers),
        )
        for one in held
        if not one.is_merely_attached
    ]
    return tuple(
        sorted(
            holders,
            key=lambda holder: (
                bool(blocked[holder.process.pid]),
                -len(holder.blocks),
                not holder.writes,
                holder.process.pid,
            ),
        )
    )


def _draining(held: tuple[Held, ...]) -> tuple[Waiter, ...]:
    return tuple(
        Waiter(
            process=look_at(one.pid),
            wants="EXCLUSIVE",
            waited_s=None,
            blockers=readers,
            inferred=True,
            how="it holds PENDING, which is kept until the readers are gone",
        )
        for one in held
        if (readers := _readers_before(held, one))
    )
