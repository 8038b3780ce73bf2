"""Who a process is at this moment, and which processes have a database open."""

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from lockscope.capture.holders import describe, status_of
from lockscope.live.model import Process

__all__ = ["look_at", "openers"]

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


def look_at(pid: int) -> Process:
    """What may be read of a process."""
    if not pid:
        return Process(0)
    status = status_of(pid)
    if not status:
        return Process(pid, state="gone" if not Path("/proc", str(pid)).exists() else "unknown")
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


def openers(paths: Iterable[str]) -> tuple[dict[int, set[str]], int]:
    """Which processes have which of some files open, deleted ones included.

    Returns:
        Paths by pid, as `/proc/PID/fd` names them; and how many processes may not be looked into.
    """
    wanted = {name for path in paths for name in (path, path + _DELETED)}
    found: dict[int, set[str]] = {}
    closed = 0
    for name in os.listdir("/proc"):  # noqa: PTH208 - hundreds of names, no Path for each
        if not name.isdecimal():
            continue
        folder = f"/proc/{name}/fd"
        try:
            numbers = os.listdir(folder)  # noqa: PTH208
        except PermissionError:
            closed += 1
            continue
        except OSError:
            continue
        for number in numbers:
            with contextlib.suppress(OSError):
                target = os.readlink(f"{folder}/{number}")  # noqa: PTH115
                if target in wanted:
                    found.setdefault(int(name), set()).add(target)
    return found, closed


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
