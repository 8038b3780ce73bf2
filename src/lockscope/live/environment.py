"""What this machine is, and whether it is fit for SQLite under many processes and for lockscope."""

import datetime as dt
import os
import platform
import sqlite3
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from lockscope import __version__
from lockscope.live.selftest import hook_check, lock_check
from lockscope.locks.file_systems import unfit

__all__ = ["Check", "Environment", "Verdict", "look"]


class Verdict(StrEnum):
    """What a check found; *unknown* is never a pass."""

    FINE = "fine"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        verdict: What was found.
        found: The same in words.
        advice: What to do; empty where nothing is to be done.
    """

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """What this machine is.

    Attributes:
        at: The wall clock's time, ISO 8601.
        system: Name, release and machine of the system.
        python: Version of Python.
        python_path: Path of its executable.
        sqlite: Version of SQLite, as this Python uses it.
        sqlite_options: Its compile-time options.
        lockscope: Version of lockscope.
        cores: Processor cores that this process may use.
        memory_bytes: Memory of the machine.
        folder: The working folder.
        file_system: Type of the file system on which it lies.
        mounted_at: Where that file system is mounted.
        checks: What was looked at.
    """

    at: str
    system: str
    python: str
    python_path: str
    sqlite: str
    sqlite_options: tuple[str, ...]
    lockscope: str
    cores: int
    memory_bytes: int
    folder: str
    file_system: str
    mounted_at: str
    checks: tuple[Check, ...]

    @property
    def is_fit(self) -> bool:
        """Whether every check was passed."""
        return all(check.verdict is Verdict.FINE for check in self.checks)


def look(folder: Path) -> Environment:
    """Look at the machine, and try its locks in a folder.

    Args:
        folder: Where databases are to lie; a hidden folder is made in it and removed again.
    """
    file_system, mounted_at = _file_system(folder)
    return Environment(
        at=dt.datetime.now().astimezone().isoformat(timespec="seconds"),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        python_path=sys.executable,
        sqlite=sqlite3.sqlite_version,
        sqlite_options=_compile_options(),
        lockscope=__version__,
        cores=_cores(),
        memory_bytes=psutil.virtual_memory().total,
        folder=str(folder),
        file_system=file_system,
        mounted_at=mounted_at,
        checks=tuple(_checks(folder, file_system)),
    )


def _checks(folder: Path, file_system: str) -> Iterable[Check]:
    yield _thread_safety()
    yield _file_system_check(file_system)
    seen = lock_check(folder)
    yield Check("locks are seen", Verdict(seen.verdict), seen.found, seen.advice)
    yield _proc_locks()
    for name, found in hook_check():
        yield Check(name, Verdict(found.verdict), found.found, found.advice)


def _compile_options() -> tuple[str, ...]:
    with sqlite3.connect(":memory:") as connection:
        options = tuple(row[0] for row in connection.execute("PRAGMA compile_options"))
    connection.close()
    return options


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _file_system(folder: Path) -> tuple[str, str]:
    """Type and mount point of the file system of a folder: the mount whose path is the longest
    above it.
    """
    resolved = folder.resolve()
    above = [
        partition
        for partition in psutil.disk_partitions(all=True)
        if resolved.is_relative_to(partition.mountpoint)
    ]
    # Of two mounts at one place the later hides the earlier.
    best = max(reversed(above), key=lambda partition: len(partition.mountpoint), default=None)
    return (best.fstype, best.mountpoint) if best else ("unknown", "")


def _file_system_check(file_system: str) -> Check:
    what = unfit(file_system)
    if what is not None:
        return Check(
            "file system",
            Verdict.WARNING,
            f"{file_system} is {what}: locks may not be seen by the other side.",
            "Put the database on a local file system, or let one machine alone use it.",
        )
    if file_system == "unknown":
        return Check("file system", Verdict.UNKNOWN, "its type cannot be told")
    return Check("file system", Verdict.FINE, f"{file_system} is local")


def _thread_safety() -> Check:
    if sqlite3.threadsafety == 0:
        return Check(
            "SQLite threads",
            Verdict.WARNING,
            "this SQLite was compiled without thread safety",
            "Use it from one thread only.",
        )
    return Check(
        "SQLite threads", Verdict.FINE, f"DB-API thread safety level {sqlite3.threadsafety}"
    )


def _proc_locks() -> Check:
    try:
        Path("/proc/locks").read_bytes()
    except OSError as error:
        return Check(
            "/proc/locks",
            Verdict.WARNING,
            f"cannot be read: {error.strerror}",
            "Holders outside a trace stay unnamed.",
        )
    return Check("/proc/locks", Verdict.FINE, "can be read: holders outside a trace can be named")
