"""Threads asleep in SQLite's busy handler, told from other sleeps by time and caller.

A connection that waits asks, is denied, and sleeps for 1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50 and
then 100 ms at a time (`main.c`, sqliteDefaultBusyCallback), the last time for what is left. The
thread's stack names the library that called the sleep.
"""

import contextlib
import mmap
import struct
from pathlib import Path
from typing import Final, NamedTuple

from lockscope.live.system_calls import SLEEPS, call_name
from lockscope.live.threads import Thread, read_memory, read_time_ns, threads_of

__all__ = ["BusySleep", "busy_sleep"]

_MS: Final = 1_000_000
_DELAYS_MS: Final = (1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100)
_BEFORE_MS: Final = (0, 1, 3, 8, 18, 33, 53, 78, 103, 128, 178, 228)
"""`main.c`, sqliteDefaultBusyCallback: delays, totals."""
_CLOCK_REALTIME: Final = 0
_STACK_BYTES: Final = 1024
"""Between the sleep and its caller lie one or two frames of the C library: 16 to 80 bytes."""
_BETWEEN: Final = ("libc.so", "libc-", "libc.musl", "ld-musl", "libpthread", "liblockscope", "[")
"""How the names of files begin whose code lies between a system call and who asked for it."""
_MAGIC: Final = b"SQLite format 3\0"
_LARGEST: Final = 256 << 20
_ASLEEP: Final = "STt"


class BusySleep(NamedTuple):
    """A thread asleep in the busy handler.

    Attributes:
        tid: The thread.
        asked_ms: For how long it sleeps this time.
        refused_ms: For how long it has been refused at least, by that.
        library: The name of the file whose code called the sleep, and which holds SQLite.
        is_certain: Whether that file is a library of SQLite, and not a program that may also sleep
            for reasons of its own.
    """

    tid: int
    asked_ms: int
    refused_ms: int
    library: str
    is_certain: bool


class _Code(NamedTuple):
    """A range of a process's memory that holds a file's code."""

    start: int
    end: int
    path: str


def busy_sleep(pid: int) -> tuple[BusySleep | None, bool]:
    """A thread of a process that sleeps in the busy handler, None where none does; and whether
    all of it could be seen.
    """
    threads, _ = threads_of(pid)
    for thread in threads:
        asked_ms = _asked_ms(thread)
        if asked_ms is not None and thread.call is not None:
            caller = _caller(pid, thread.call.stack_pointer)
            if caller:
                return _told(pid, thread.tid, asked_ms, caller), True
    return None, not any(thread.is_hidden for thread in threads)


def _asked_ms(thread: Thread) -> int | None:
    """How long a thread sleeps, where that can be the busy handler's: whole ms, 100 at most, from
    now on by the C library's clock of `usleep`.
    """
    call = thread.call
    name = "" if call is None else call_name(call.number)
    if call is None or name not in SLEEPS or thread.state not in _ASLEEP:
        return None
    if name == "clock_nanosleep":
        clock, flags, address, *_ = call.arguments
        if (clock, flags) != (_CLOCK_REALTIME, 0):
            return None
    else:
        address = call.arguments[0]
    asked_ns = read_time_ns(thread.pid, address)
    if asked_ns is None or asked_ns % _MS or not 0 < asked_ns <= _DELAYS_MS[-1] * _MS:
        return None
    return asked_ns // _MS


def _caller(pid: int, stack_pointer: int) -> str:
    """The file whose code called the sleep, where that holds SQLite; empty where not.

    It is the first code outside the C library that the words on the stack lead back to.
    """
    codes = _codes(pid)
    words = read_memory(pid, stack_pointer, _STACK_BYTES)
    for (word,) in struct.iter_unpack("=Q", words[: len(words) & ~7]):
        path = next((code.path for code in codes if code.start <= word < code.end), "")
        if path and not path.rpartition("/")[2].startswith(_BETWEEN):
            return path if _holds_sqlite(pid, path) else ""
    return ""


def _codes(pid: int) -> list[_Code]:
    """The executable ranges of `/proc/PID/maps` (`proc_pid_maps(5)`)."""
    found = []
    with contextlib.suppress(OSError):
        maps = Path("/proc", str(pid), "maps").read_text(encoding="utf-8", errors="surrogateescape")
        for line in maps.splitlines():
            span, rights, _, _, _, *path = line.split(None, 5)
            if "x" in rights and path:
                start, _, end = span.partition("-")
                found.append(_Code(int(start, 16), int(end, 16), path[0].rstrip()))
    return found


def _holds_sqlite(pid: int, path: str) -> bool:
    """By its name, else by SQLite's own name for its files, which its code has to contain."""
    if "sqlite" in path.lower():
        return True
    # As the process sees it: another mount namespace may show another file at the path.
    with (
        contextlib.suppress(OSError, ValueError),
        Path(f"/proc/{pid}/root{path}").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return len(content) <= _LARGEST and content.find(_MAGIC) >= 0
    return False


def _told(pid: int, tid: int, asked_ms: int, caller: str) -> BusySleep:
    place = next(at for at, delay in enumerate(_DELAYS_MS) if delay >= asked_ms)
    program = ""
    with contextlib.suppress(OSError):
        program = str(Path(f"/proc/{pid}/exe").readlink())
    return BusySleep(tid, asked_ms, _BEFORE_MS[place], caller.rpartition("/")[2], caller != program)
