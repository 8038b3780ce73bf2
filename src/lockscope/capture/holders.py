"""Who a process is, as `/proc/PID` tells it to whoever may read it."""

import os
import stat
from pathlib import Path
from typing import Final, NamedTuple

from lockscope.capture.arguments import masked
from lockscope.capture.proc_locks import KernelLock
from lockscope.trace.writer import process_start

__all__ = ["Holder", "describe", "holder_of_description", "state_of", "status_of"]

_LONGEST: Final = 2048
_HALTED: Final = {b"T": ord("T"), b"t": ord("T"), b"D": ord("D")}
"""States in which a process does not go on by itself: stopped by a signal or a debugger, and asleep
where no signal reaches it, as on a disk (`proc_pid_stat(5)`)."""


class Holder(NamedTuple):
    """A process that holds a lock.

    Attributes:
        pid: Its number here.
        inner_pid: Its number in its own PID namespace, which is what it records of itself.
        start: Field 22 of `/proc/PID/stat`, 0 unknown.
        user: Its effective user id, None where unknown.
        command: Its command line, its short name where that is empty.
        folder: Its working folder, empty where it may not be read.
    """

    pid: int
    inner_pid: int
    start: int
    user: int | None
    command: str
    folder: str


def describe(pid: int, *, literals: bool = False) -> Holder:
    """What may be read of a process; empty where it ended or is another user's.

    Args:
        pid: The process.
        literals: Keep its arguments as they are, also those that look like SQL.
    """
    folder = Path("/proc") / str(pid)
    status = status_of(pid)
    arguments = _read(folder / "cmdline").rstrip("\0").split("\0")
    command = " ".join(arguments if literals else masked(arguments)).strip()
    return Holder(
        pid,
        int(status.get("NSpid", str(pid)).split()[-1]),
        process_start(pid),
        int(status["Uid"].split()[1]) if "Uid" in status else None,
        (command or status.get("Name", ""))[:_LONGEST],
        _link(folder / "cwd"),
    )


def status_of(pid: int) -> dict[str, str]:
    """The lines of `/proc/PID/status` (`proc_pid_status(5)`); empty where it may not be read."""
    lines = _read(Path("/proc", str(pid), "status")).splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def state_of(pid: int) -> int:
    """`T` or `D`, as numbers, of a process that is stopped or asleep without interruption; else 0.

    Args:
        pid: The process; 0 is the answer for one that is gone.
    """
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        line = os.read(file, 512)
    except OSError:
        return 0
    finally:
        os.close(file)
    # The name in parentheses may hold blanks and parentheses of its own.
    return _HALTED.get(line[line.rfind(b")") + 2 :][:1], 0)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def holder_of_description(lock: KernelLock, files: frozenset[tuple[int, int]]) -> int:
    """The process behind a lock of an open file description, which the kernel's list does not name.

    `/proc/PID/fdinfo/N` lists such locks beside the descriptor (`proc_pid_fdinfo(5)`).

    Args:
        lock: The lock.
        files: Device and inode of the file, as `stat` gives them.

    Returns:
        The lowest pid that has the description open, 0 where none can be seen.
    """
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208
    return next((pid for pid in pids if _holds_description(pid, lock, files)), 0)


def _holds_description(pid: int, lock: KernelLock, files: frozenset[tuple[int, int]]) -> bool:
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
    except OSError:
        return False
    return any(_is_locked(f"/proc/{pid}", number, lock, files) for number in numbers)


def _is_locked(
    process: str, number: str, lock: KernelLock, files: frozenset[tuple[int, int]]
) -> bool:
    try:
        status = os.stat(f"{process}/fd/{number}")  # noqa: PTH116
        if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) not in files:
            return False
        lines = Path(f"{process}/fdinfo/{number}").read_bytes().splitlines()
    except OSError:
        return False
    end = b"EOF" if lock.length == 0 else b"%d" % (lock.start + lock.length - 1)
    wanted = [b"%d" % lock.start, end]
    return any(b"OFDLCK" in line and line.split()[-2:] == wanted for line in lines)
