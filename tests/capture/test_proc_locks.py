"""The kernel's own list of locks, as text and as it is."""

import fcntl
import os
from pathlib import Path

import pytest

from lockscope.capture.proc_locks import KernelLock, LockList, identities, parse_locks
from lockscope.trace.kinds import Mode

LIST = b"""\
1: POSIX  ADVISORY  WRITE 4242 08:01:7 1073741825 1073741825
1: -> POSIX  ADVISORY  WRITE 4243 08:01:7 1073741825 1073741825
1:  -> POSIX  ADVISORY  WRITE 4244 08:01:7 1073741825 1073741825
2: OFDLCK ADVISORY  READ -1 08:01:7 120 EOF
3: FLOCK  ADVISORY  WRITE 4245 08:01:7 0 EOF
4: LEASE  ACTIVE    READ 4245 08:01:7 0 EOF
5: POSIX  ADVISORY  READ 4242 fd:1a2:7 124 128
5: POSIX  ADVISORY  READ 4242 fd:1a2:7 124 128
6: POSIX  ADVISORY  UNLCK 4242 08:01:7 124 128
7: POSIX  ADVISORY  READ 4242 <none>:0 0 EOF
8: POSIX  ADVISORY  READ 42"""


def test_holders_are_read_and_nothing_else() -> None:
    first, second = os.makedev(0x08, 0x01), os.makedev(0xFD, 0x1A2)
    assert parse_locks(LIST) == {
        KernelLock(first, 7, 4242, Mode.EXCLUSIVE, 0x40000001, 1),
        KernelLock(first, 7, 0, Mode.SHARED, 120, 0, described=True),
        KernelLock(second, 7, 4242, Mode.SHARED, 124, 5),
    }


def test_only_wanted_files_are_read() -> None:
    wanted = (os.makedev(0xFD, 0x1A2), 7)
    assert {lock.device for lock in parse_locks(LIST, {wanted})} == {wanted[0]}


def test_a_list_longer_than_a_page_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "many"
    with path.open("wb") as file, LockList() as locks:
        status = os.fstat(file.fileno())
        for byte in range(0, 600, 2):  # one page of the list holds about 55
            fcntl.lockf(file, fcntl.LOCK_EX, 1, byte)
        seen = locks.locks(set(identities(str(path), status.st_dev, status.st_ino)))
    assert {(lock.start, lock.length, lock.pid) for lock in seen} == {
        (byte, 1, os.getpid()) for byte in range(0, 600, 2)
    }


def test_the_list_shows_our_own_locks() -> None:
    with LockList() as locks:
        locks.check()


def test_the_mount_tables_device_is_tried_too(tmp_path: Path) -> None:
    status = tmp_path.stat()
    device = 12345  # as btrfs gives to `stat`, but not to the list
    names = identities(str(tmp_path), device, status.st_ino)
    assert (device, status.st_ino) in names
    if len(names) == 1:
        pytest.skip("the mount table does not name this file system")
    assert len(names) == 2
