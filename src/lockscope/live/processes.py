"""Who a process is at this moment, and which processes have a database open."""

import os
import time
from pathlib import Path
from typing import Final, NamedTuple

from lockscope.capture.holders import describe, status_of
from lockscope.live.model import Process

__all__ = ["OpenFile", "look_at", "open_files"]

_STATES: Final = {
    "R": "running",
    "S": "sleeping",
    "D": "uninterruptible",
    "T": "stopped",
    "t": "stopped",
    "Z": "zombie",
    "X": "gone",
    "I": "idle",
}
"""`proc_pid_stat(5)`, field 3; `t` is stopped by a debugger."""
_DELETED: Final = " (deleted)"


class OpenFile(NamedTuple):
    """A file that a process has open.

    Attributes:
        path: Where it lies, or lay when it was deleted; as the process's mounts show it.
        device: Its device, as `stat` gives it.
        inode: Its inode.
        links: How many names it has: 0 after it was deleted.
    """

    path: str
    device: int
    inode: int
    links: int


def look_at(pid: int) -> Process:
    """What may be read of a process."""
    if not pid:
        return Process(0)
    status = status_of(pid)
    if not status:
        return Process(pid, state="unknown" if _exists(pid) else "gone")
    holder = describe(pid)
    return Process(
        pid=pid,
        command=holder.command,
        user=_user_name(holder.user),
        folder=holder.folder,
        container=_control_group(pid),
        started_at=_started_at(holder.start),
        state=_STATES.get(status.get("State", "?")[:1], "unknown"),
        inner_pid=holder.inner_pid if holder.inner_pid != pid else None,
    )


def open_files(name: str) -> tuple[dict[int, tuple[OpenFile, ...]], int]:
    """Which processes have a database's files open, deleted and renamed ones included.

    Args:
        name: The database's name without its folder: another mount namespace, as a container's, may
            show it in another folder.

    Returns:
        The files by pid whose name begins so; and how many processes may not be looked into.
    """
    found: dict[int, tuple[OpenFile, ...]] = {}
    closed, own = 0, str(os.getpid())
    for pid in os.listdir("/proc"):  # noqa: PTH208 - hundreds of names, no Path for each
        if not pid.isdecimal() or pid == own:
            continue
        try:
            files = _open_files(f"/proc/{pid}/fd", name)
        except PermissionError:
            closed += 1
            continue
        except OSError:
            continue
        if files:
            found[int(pid)] = files
    return found, closed


def _open_files(folder: str, name: str) -> tuple[OpenFile, ...]:
    found = []
    for number in os.listdir(folder):  # noqa: PTH208
        link = f"{folder}/{number}"
        try:
            target = os.readlink(link)  # noqa: PTH115
            if not target.rpartition("/")[2].startswith(name):
                continue
            status = os.stat(link)  # noqa: PTH116
        except OSError:
            continue
        found.append(
            OpenFile(target.removesuffix(_DELETED), status.st_dev, status.st_ino, status.st_nlink)
        )
    return tuple(found)


def _exists(pid: int) -> bool:
    """Whether a process is there, which `/proc` may hide (`proc(5)`, hidepid)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _user_name(user: int | None) -> str | None:
    if user is None:
        return None
    import pwd  # noqa: PLC0415 - not on every system

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _control_group(pid: int) -> str:
    """The last path of `/proc/PID/cgroup` that is not the root's: of version 2, or of a version 1
    controller.
    """
    try:
        lines = Path("/proc", str(pid), "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    paths = [line.split(":", 2)[2] for line in lines if line.count(":") >= 2]
    return next((path for path in reversed(paths) if path != "/"), "")


def _started_at(ticks: int) -> str | None:
    """The wall clock's time of a start, which field 22 of stat gives in clock ticks since boot."""
    if not ticks:
        return None
    since_boot_s = ticks / os.sysconf("SC_CLK_TCK")
    at = time.clock_gettime(time.CLOCK_REALTIME) - (
        time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot_s
    )
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(at))
