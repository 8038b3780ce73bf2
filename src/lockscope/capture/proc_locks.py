"""`/proc/locks`: the locks that the kernel itself knows, as `proc_locks(5)` lists them.

It names every holder, recorded or not, but no waiter of SQLite's, which waits by asking again. A
lock of a process that is invisible in the PID namespace of `/proc` is left out by the kernel.
"""

import fcntl
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple, Self

from lockscope.errors import CaptureError
from lockscope.trace.kinds import Mode

__all__ = ["PROC_LOCKS", "Identity", "KernelLock", "LockList", "identities", "parse_locks"]

PROC_LOCKS: Final = Path("/proc/locks")
_MOUNTS: Final = Path("/proc/self/mountinfo")
_CHUNK: Final = 1 << 16
_MOST_READS: Final = 3
_MOST_CHECKS: Final = 20
_MODES: Final = {b"READ": Mode.SHARED, b"WRITE": Mode.EXCLUSIVE}

Identity = tuple[int, int]
"""Device and inode of a file, as the kernel's list names it."""


class KernelLock(NamedTuple):
    """One lock that somebody holds.

    Attributes:
        device: Of the file's superblock, as `os.makedev` makes it.
        inode: Of the file.
        pid: The holder, in the PID namespace of `/proc`; 0 where the kernel names none, as for
            locks of an open file description (F_OFD_SETLK).
        mode: Shared or exclusive.
        start: First byte.
        length: Bytes, 0 to the end of the file.
        described: Whether it is the lock of an open file description (F_OFD_SETLK).
    """

    device: int
    inode: int
    pid: int
    mode: Mode
    start: int
    length: int
    described: bool = False


def parse_locks(text: bytes, wanted: Collection[Identity] | None = None) -> set[KernelLock]:
    """The byte-range locks of a list; waiters (`->`), leases and `flock` locks are left out.

    Args:
        text: What `/proc/locks` holds.
        wanted: Only locks on these files.
    """
    locks = set()
    if wanted is not None:
        # Of thousands of lines nearly none is wanted: the inode tells them apart at a glance.
        inodes = [b":%d " % inode for inode in {inode for _, inode in wanted}]
        lines = [line for line in text.splitlines() if any(inode in line for inode in inodes)]
    else:
        lines = text.splitlines()
    for line in lines:
        # 1: POSIX  ADVISORY  WRITE 1234 08:01:5678 1073741825 1073741825
        fields = line.split()
        if len(fields) != 8 or fields[1] not in (b"POSIX", b"OFDLCK"):
            continue
        lock = _lock(fields)
        if lock is not None and (wanted is None or (lock.device, lock.inode) in wanted):
            locks.add(lock)
    return locks


def _lock(fields: list[bytes]) -> KernelLock | None:
    """The lock of one line; None where the line was cut off or says what is not known here."""
    mode = _MODES.get(fields[3])
    if mode is None:
        return None
    try:
        major, minor, inode = fields[5].split(b":")
        device = os.makedev(int(major, 16), int(minor, 16))
        start = int(fields[6])
        length = 0 if fields[7] == b"EOF" else int(fields[7]) - start + 1
        pid, described = max(0, int(fields[4])), fields[1] == b"OFDLCK"
        return KernelLock(device, int(inode), pid, mode, start, length, described)
    except ValueError:
        return None


class LockList:
    """The kernel's list, kept open to be read again and again; a context manager.

    Attributes:
        is_settled: Whether the list last came in one piece, or a second reading showed no more.

    Raises:
        CaptureError: It cannot be opened, or does not show a lock of this very process.
    """

    def __init__(self) -> None:
        self.is_settled = True
        try:
            self._file = os.open(PROC_LOCKS, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise CaptureError(
                f"{PROC_LOCKS} cannot be read ({error.strerror}), which only Linux has: locks "
                "cannot be sampled here."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def locks(self, wanted: Collection[Identity]) -> set[KernelLock]:
        """The locks on some files at one moment of this call.

        The kernel hands out at most a page (4 KiB, about 55 locks) at a time and the list may
        change between two pages, so that a lock can be missed: a longer list is read until it says
        the same twice.
        """
        text, pages = self._read()
        seen = parse_locks(text, wanted)
        self.is_settled = pages < 2
        for _ in range(_MOST_READS - 1 if pages > 1 else 0):
            again = parse_locks(self._read()[0], wanted)
            self.is_settled = again <= seen
            if self.is_settled:
                break
            seen |= again
        return seen

    def check(self) -> None:
        """See that a lock of this process is listed.

        Raises:
            CaptureError: It is not: `/proc` is that of another PID namespace, or of a sandbox.
        """
        file = os.memfd_create("lockscope", os.MFD_CLOEXEC)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX)
            inode, own = os.fstat(file).st_ino, os.getpid()
            marks = b":%d " % inode, b" %d " % own
            # A long list that changes while it is read may lack a lock that is there all the time.
            shown = any(
                all(mark in line for mark in marks)
                for _ in range(_MOST_CHECKS)
                for line in self._read()[0].splitlines()
            )
        finally:
            os.close(file)
        if not shown:
            raise CaptureError(
                f"{PROC_LOCKS} does not show the locks of this PID namespace (a container or a "
                "sandbox hides them): run lockscope where the programs run, or on the host."
            )

    def _read(self) -> tuple[bytes, int]:
        os.lseek(self._file, 0, os.SEEK_SET)
        pages = []
        while page := os.read(self._file, _CHUNK):
            pages.append(page)
        return b"".join(pages), len(pages)


def identities(path: str, device: int, inode: int) -> tuple[Identity, ...]:
    """How the kernel's list may name a file.

    The list shows the superblock's device, which btrfs and overlayfs do not give to `stat`; the
    mount table has it (`proc_pid_mountinfo(5)`, field 3).

    Args:
        path: Where the file lies; absolute.
        device: Its `st_dev`.
        inode: Its `st_ino`.
    """
    mounted = _superblock(path)
    return tuple({(device, inode), (device if mounted is None else mounted, inode)})


def _superblock(path: str) -> int | None:
    """The superblock's device of the mount that a path lies on."""
    best, found = -1, None
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split(" ")
        point = fields[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
        # The later of two mounts on one point covers the earlier.
        if len(point) >= best and (path == point or path.startswith(point.rstrip("/") + "/")):
            major, minor = fields[2].split(":")
            best, found = len(point), os.makedev(int(major), int(minor))
    return found
