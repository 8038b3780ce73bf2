"""The threads of a process, as the kernel shows them from outside: nothing is stopped or changed.

Which system call a thread is in, and the process's memory, are shown to whoever may trace the
process (`ptrace(2)`, "Ptrace access mode checking"): the same user, and by the Yama module often
root alone; its state and wait channel are shown to more.
"""

import contextlib
import os
import struct
from typing import Final, NamedTuple

__all__ = ["Call", "Thread", "read_memory", "read_text", "read_time_ns", "threads_of"]

_MOST_THREADS: Final = 64
"""Of a process with more, the first are looked at: the thread that began it is among them."""
_TIMESPEC: Final = struct.Struct("=qq")


class Call(NamedTuple):
    """A system call that a thread is in.

    Attributes:
        number: Which one; -1 where the thread sleeps outside any.
        arguments: Its six arguments, as they lie in registers.
        stack_pointer: Of the thread, in bytes.
    """

    number: int
    arguments: tuple[int, ...]
    stack_pointer: int


class Thread(NamedTuple):
    """One thread at one moment.

    Attributes:
        pid: Its process.
        tid: Its number.
        state: The letter of `proc_pid_stat(5)`, field 3.
        processor: Where it ran last.
        call: The system call that it is in; None where it runs, or that may not be read.
        channel: The kernel's function that it sleeps in; empty where unknown.
        is_hidden: Whether its system call may not be read.
    """

    pid: int
    tid: int
    state: str
    processor: int
    call: Call | None
    channel: str
    is_hidden: bool


def threads_of(pid: int) -> tuple[tuple[Thread, ...], bool]:
    """The threads of a process, the first one first, and whether that is all of them.

    There are none where the process ended.
    """
    try:
        listed = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - as below
    except OSError:
        return (), False
    names = sorted(map(int, listed), key=lambda tid: (tid != pid, tid))
    seen = tuple(filter(None, (_thread(pid, tid) for tid in names[:_MOST_THREADS])))
    return seen, len(names) <= _MOST_THREADS


def read_memory(pid: int, address: int, size: int) -> bytes:
    """Bytes of a process's memory; fewer, or none, where they may not or cannot be read."""
    with contextlib.suppress(OSError, OverflowError):
        memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(memory, size, address)
        finally:
            os.close(memory)
    return b""


def read_time_ns(pid: int, address: int) -> int | None:
    """A `struct timespec` of a process's memory, in ns; None where it cannot be read."""
    raw = read_memory(pid, address, _TIMESPEC.size)
    if len(raw) < _TIMESPEC.size:
        return None
    seconds, rest_ns = _TIMESPEC.unpack(raw)
    return int(seconds) * 1_000_000_000 + int(rest_ns)


def read_text(path: str) -> str:
    """A short file of `/proc`.

    Raises:
        OSError: It may not be read, or the process ended.
    """
    # No Path, no text layer: 64 threads are 192 files.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def _thread(pid: int, tid: int) -> Thread | None:
    folder = f"/proc/{pid}/task/{tid}"
    try:
        # The command in field 2 may hold spaces and parentheses: count from its last one.
        stat = read_text(f"{folder}/stat").rpartition(") ")[2].split()
        state, processor = stat[0], int(stat[36])
    except (OSError, IndexError, ValueError):
        return None
    call, is_hidden = None, False
    try:
        call = _call(read_text(f"{folder}/syscall"))
    except OSError:
        is_hidden = True
    channel = ""
    with contextlib.suppress(OSError):
        channel = read_text(f"{folder}/wchan")
    return Thread(pid, tid, state, processor, call, channel if channel != "0" else "", is_hidden)


def _call(line: str) -> Call | None:
    """What `proc_pid_syscall(5)` says: `running`, `-1 SP PC`, or `NUMBER ARGUMENTS SP PC`."""
    words = line.split()
    if len(words) < 3:
        return None
    numbers = [int(word, 0) for word in words]
    return Call(numbers[0], tuple(numbers[1:-2]), numbers[-2])
