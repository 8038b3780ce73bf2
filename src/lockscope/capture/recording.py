"""A recording: the folder of a trace while programs write into it."""

import datetime as dt
import platform
import shutil
import socket
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from lockscope import __version__
from lockscope.capture.arguments import masked
from lockscope.capture.preload import (
    ENVIRONMENT_LITERALS,
    ENVIRONMENT_TRACE,
    LIBRARY,
    missing_sentence,
)
from lockscope.capture.pruning import Pruning
from lockscope.capture.sampler import GENTLE_NS, Sampler
from lockscope.capture.supervisor import Supervisor
from lockscope.errors import CaptureError
from lockscope.trace.manifest import Manifest

__all__ = ["Recording", "dated_folder", "fresh_folder"]


def dated_folder(stem: str) -> Path:
    """`STEM-DATE-TIME.trace` in the working folder, numbered where that is taken; not made."""
    dated = f"{stem}-{dt.datetime.now().astimezone():%Y%m%d-%H%M%S}"
    folder = Path(f"{dated}.trace")
    number = 1
    while folder.exists():
        number += 1
        folder = Path(f"{dated}-{number}.trace")
    return folder


def fresh_folder(path: Path) -> Path:
    """Make a folder that only its owner can read, and its parents; give its absolute path.

    Raises:
        CaptureError: It exists and holds something, or cannot be made there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        occupied = any(path.iterdir())
        path.chmod(0o700)
    except (FileExistsError, NotADirectoryError) as error:
        file = next(place for place in (path, *path.parents) if place.exists())
        raise CaptureError(
            f"{file} is a file, not a folder; choose another folder with -o.", path=path
        ) from error
    except OSError as error:
        raise CaptureError(
            f"{path} cannot be made: {error.strerror}. Choose another folder with -o.", path=path
        ) from error
    if occupied:
        raise CaptureError(
            f"{path} exists and is not empty; nothing was written. Choose another folder with -o.",
            path=path,
        )
    return path.resolve()


class Recording:
    """The folder of a trace while programs write into it; a context manager.

    Entering makes the folder and the manifest and starts the supervisor; leaving finishes both. A
    child started with `environment()` in between is recorded, and so is whatever it starts.

    Args:
        folder: The trace's folder; it must not exist, or be empty.
        command: The command line that is recorded, for the manifest.
        literals: Keep the literals of SQL, in statements and in command lines, instead of masking
            them.
        max_size: Bytes that the trace may have: the newest part is kept; None for no limit.
        databases: Sample the locks on these databases alone, by whatever program; nothing that is
            started is recorded then.
        every_ns: Time between two samples of the kernel's own list of locks.

    Raises:
        CaptureError: The folder exists and holds something, cannot be made, or takes no trace.
    """

    def __init__(
        self,
        folder: Path,
        command: tuple[str, ...],
        *,
        literals: bool = False,
        max_size: int | None = None,
        databases: tuple[Path, ...] = (),
        every_ns: int = GENTLE_NS,
    ) -> None:
        self.folder = fresh_folder(folder)
        self.missing = missing_sentence()
        self._literals = literals
        self.exit_status: int | None = None
        try:
            self._begin(command, max_size, databases, every_ns)
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise CaptureError(
                f"{folder} cannot take a trace: {error.strerror}; nothing was recorded. "
                "Choose another folder with -o.",
                path=folder,
            ) from error

    def _begin(
        self,
        command: tuple[str, ...],
        max_size: int | None,
        databases: tuple[Path, ...],
        every_ns: int,
    ) -> None:
        self.manifest = Manifest(
            command=command if self._literals else masked(command),
            folder=str(Path.cwd()),
            host=socket.gethostname(),
            boot_id=_boot_id(),
            started_ns=time.monotonic_ns(),
            started_at=dt.datetime.now().astimezone().isoformat(timespec="milliseconds"),
            versions={
                "lockscope": __version__,
                "python": platform.python_version(),
                "sqlite": sqlite3.sqlite_version,
            },
            capture={
                "locks": not self.missing,
                "literals": self._literals,
                "missing": self.missing,
            },
        )
        self.manifest.write(self.folder)
        pruning = None if max_size is None else Pruning(self.folder, max_size)
        # Where databases are sampled nobody is recorded: there is no end to be seen, and looking
        # for recorders 50 times a second costs as much as 10 samples.
        self._supervisor = None if databases else Supervisor(self.folder, pruning)
        # Where no lock can be recorded there is nothing to compare samples with.
        self._sampler = (
            Sampler(self.folder, databases, every_ns, literals=self._literals)
            if databases or not self.missing
            else None
        )

    def __enter__(self) -> Self:
        if self._supervisor:
            self._supervisor.__enter__()
        if self._sampler:
            self._sampler.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._sampler:
            self._sampler.__exit__(*exception)
        if self._supervisor:
            self._supervisor.__exit__(*exception)
        ended_ns = time.monotonic_ns()
        from lockscope.capture.databases import recorded_databases  # noqa: PLC0415 - numpy, late

        self.manifest = replace(
            self.manifest,
            ended_ns=ended_ns,
            exit_status=self.exit_status,
            databases=recorded_databases(self.folder),
        )
        self.manifest.write(self.folder)

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """The environment under which a program is recorded.

        Args:
            base: The environment that the program would have had.
        """
        environment = {**base, ENVIRONMENT_TRACE: str(self.folder)}
        if self._literals:
            environment[ENVIRONMENT_LITERALS] = "1"
        if not self.missing:
            others = [entry for entry in base.get("LD_PRELOAD", "").split(":") if entry]
            environment["LD_PRELOAD"] = ":".join([str(LIBRARY), *others])
        return environment

    def ended(self, pid: int, status: int) -> None:
        """Record how a child ended; `status` as `subprocess.Popen.returncode` gives it."""
        if self._supervisor:
            self._supervisor.ended(pid, status)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
