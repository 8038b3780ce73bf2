"""SQLite's byte map and the conflicts of locks, against what SQLite itself does."""

import fcntl
import os
import sqlite3
import struct
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from lockscope.locks.modes import LockMode, conflict
from lockscope.locks.sqlite import (
    DATABASE_SLOTS,
    SHM_SLOTS,
    SLOT_RANGES,
    Slot,
    lock_name,
    meaning,
    slots_in,
)

FLOCK = "hhqqi4x"  # struct flock on 64-bit Linux: type, whence, start, length, pid


def locked_slots(path: Path, slots: tuple[Slot, ...]) -> set[tuple[Slot, LockMode]]:
    """What another process holds, asked of the kernel slot by slot."""
    held = set()
    descriptor = os.open(path, os.O_RDWR)
    for slot in slots:
        bytes_ = SLOT_RANGES[slot]
        for asked, mode in ((fcntl.F_RDLCK, LockMode.EXCLUSIVE), (fcntl.F_WRLCK, LockMode.SHARED)):
            length = bytes_.end - bytes_.first
            request = struct.pack(FLOCK, asked, os.SEEK_SET, bytes_.first, length, 0)
            answer = struct.unpack(FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, request))
            if answer[0] != fcntl.F_UNLCK:
                held.add((slot, mode))
                break
    os.close(descriptor)
    return held


def in_child(database: Path, *statements: str) -> tuple[int, int]:
    """A child that has run statements and waits; gives its pid and the pipe that ends it."""
    ready_read, ready_write = os.pipe()
    end_read, end_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(end_write)
            connection = sqlite3.connect(database, isolation_level=None, timeout=0)
            for statement in statements:
                connection.execute(statement)
            os.write(ready_write, b"x")
            os.read(end_read, 1)
        finally:
            os._exit(0)
    os.close(ready_write)
    os.read(ready_read, 1)
    os.close(ready_read)
    os.close(end_read)
    return pid, end_write


@pytest.mark.skipif(sys.platform != "linux", reason="the layout of struct flock is Linux's")
@pytest.mark.parametrize(
    ("statements", "suffix", "expected"),
    [
        (["BEGIN", "SELECT * FROM t"], "", {(Slot.SHARED, LockMode.SHARED)}),
        (
            ["BEGIN IMMEDIATE"],
            "",
            {(Slot.SHARED, LockMode.SHARED), (Slot.RESERVED, LockMode.EXCLUSIVE)},
        ),
        (["BEGIN EXCLUSIVE"], "", {(slot, LockMode.EXCLUSIVE) for slot in DATABASE_SLOTS}),
        (
            ["PRAGMA journal_mode=WAL", "BEGIN IMMEDIATE", "INSERT INTO t VALUES (1)"],
            "-shm",
            {
                (Slot.WAL_DMS, LockMode.SHARED),
                (Slot.WAL_READ0, LockMode.SHARED),
                (Slot.WAL_WRITE, LockMode.EXCLUSIVE),
            },
        ),
    ],
)
def test_sqlite_locks_the_bytes_that_the_map_says(
    statements: list[str], suffix: str, expected: set[tuple[Slot, LockMode]], tmp_path: Path
) -> None:
    database = tmp_path / "a.db"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE t(x)")
    connection.commit()
    connection.close()
    pid, end = in_child(database, *statements)
    slots = SHM_SLOTS if suffix else DATABASE_SLOTS
    found = locked_slots(Path(f"{database}{suffix}"), slots)
    os.close(end)
    os.waitpid(pid, 0)
    assert found == expected


def test_slots_lie_side_by_side_and_never_overlap() -> None:
    for slots in (DATABASE_SLOTS, SHM_SLOTS):
        ranges = [SLOT_RANGES[slot] for slot in slots]
        assert all(one.end == following.first for one, following in pairwise(ranges))


@pytest.mark.parametrize(
    ("start", "length", "slots"),
    [
        (0, 0, DATABASE_SLOTS),
        (0, 100, ()),
        (1073741824, 2, (Slot.PENDING, Slot.RESERVED)),
        (1073741826 + 100, 1, (Slot.SHARED,)),
        (1073741825, 0, (Slot.RESERVED, Slot.SHARED)),
    ],
)
def test_a_range_touches_the_slots_it_meets(
    start: int, length: int, slots: tuple[Slot, ...]
) -> None:
    assert slots_in(start, length, DATABASE_SLOTS) == slots


def test_conflicts_are_those_of_fcntl() -> None:
    none, shared, exclusive = LockMode
    pairs = {(a, b) for a in LockMode for b in LockMode if conflict(a, b)}
    assert pairs == {(shared, exclusive), (exclusive, shared), (exclusive, exclusive)}
    assert not conflict(none, exclusive)


def test_locks_are_named_as_sqlite_names_them() -> None:
    assert lock_name(Slot.SHARED, LockMode.EXCLUSIVE) == "EXCLUSIVE"
    assert lock_name(Slot.SHARED, LockMode.SHARED) == "SHARED"
    assert lock_name(Slot.WAL_WRITE, LockMode.EXCLUSIVE) == "WAL WRITE"


def test_each_lock_says_what_its_holder_is_doing() -> None:
    assert meaning(Slot.SHARED, LockMode.SHARED).startswith("is reading")
    assert meaning(Slot.SHARED, LockMode.SHARED, is_wal=True) == "has the database open"
    assert "snapshot" in meaning(Slot.WAL_READ3, LockMode.SHARED)
    assert meaning(Slot.WAL_READ3, LockMode.SHARED) != meaning(Slot.WAL_READ3, LockMode.EXCLUSIVE)
    assert meaning(Slot.WAL_READ0, LockMode.SHARED) != meaning(Slot.WAL_READ1, LockMode.SHARED)
    assert meaning(Slot.RESERVED, LockMode.SHARED).startswith("asks")
    held = [(slot, LockMode.EXCLUSIVE) for slot in Slot]
    assert not any(meaning(*lock).startswith("asks") for lock in held)
