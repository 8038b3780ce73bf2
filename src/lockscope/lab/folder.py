"""The folder of a run: the trace, the database, what was said, and the answer."""

import contextlib
import datetime as dt
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from lockscope.capture.recording import fresh_folder
from lockscope.errors import CaptureError

__all__ = ["RUNS", "RunFolder"]

RUNS: Final = Path("lockscope-runs")
"""Where runs lie if nothing is said, below the working folder."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's folder and what lies in it.

    Attributes:
        path: Absolute.
        name: The workload's name as a file name.
    """

    path: Path
    name: str

    @property
    def trace(self) -> Path:
        """The trace's folder."""
        return self.path / f"{self.name}.trace"

    @property
    def database(self) -> Path:
        """The database, unless another one was asked for."""
        return self.path / f"{self.name}.db"

    @property
    def transcript(self) -> Path:
        """What each worker did and when."""
        return self.path / "transcript.txt"

    @property
    def output(self) -> Path:
        """What the workers printed; absent where they printed nothing."""
        return self.path / "output.txt"

    @property
    def report(self) -> Path:
        """The answer as plain text."""
        return self.path / "report.txt"

    @property
    def document(self) -> Path:
        """The answer as JSON."""
        return self.path / "run.json"

    @classmethod
    def make(cls, workload: str, asked: Path | None) -> Self:
        """Make the folder: the one that was asked for, or a new one below `RUNS`.

        Raises:
            CaptureError: It exists and holds something, or cannot be made.
        """
        name = re.sub(r"\W+", "-", workload.rpartition(":")[2].lower()).strip("-") or "run"
        return cls(fresh_folder(asked if asked is not None else _unused(name)), name)

    def empty(self) -> None:
        """Take back what was written, after a run that never began."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self.path.parent.name == RUNS.name:
            with contextlib.suppress(OSError):  # it holds other runs
                self.path.parent.rmdir()


def _unused(name: str) -> Path:
    now = dt.datetime.now().astimezone()
    stem = f"{now:%Y%m%d-%H%M%S}-{name}"
    for again in range(1, 1000):
        path = RUNS / (stem if again == 1 else f"{stem}-{again}")
        try:
            path.mkdir(mode=0o700, parents=True)
        except FileExistsError as error:
            if not path.is_dir():
                raise CaptureError(f"{RUNS} is not a folder; choose one with -o.") from error
            continue
        except OSError as error:
            raise CaptureError(
                f"{path} cannot be made: {error.strerror}. Choose another folder with -o.",
                path=path,
            ) from error
        return path
    raise CaptureError(f"{RUNS} holds a thousand runs of this second; choose a folder with -o.")
