"""What a program printed, and what the native recorder kept of it.

A small reader of its own: a mistake in lockscope's reader must not hide one of the recorder's.
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lockscope.trace.kinds import HEADER_BYTES, MAGIC, TEXT_HEAD, Kind
from lockscope.trace.records import HEADER, RECORD

__all__ = ["Play", "Ran", "Recorded", "environment", "read", "run", "segments"]


@dataclass(frozen=True)
class Recorded:
    """One segment: its header, its records in the order of their slots, and its text file."""

    path: Path
    header: np.void
    slots: NDArray[np.void]
    texts: bytes

    @property
    def pid(self) -> int:
        return int(self.header["pid"])

    @property
    def records(self) -> NDArray[np.void]:
        """The slots that were written to the end."""
        written: NDArray[np.void] = self.slots[self.slots["sequence"] != 0]
        return written

    def of(self, *kinds: Kind) -> NDArray[np.void]:
        return self.records[np.isin(self.records["kind"], kinds)]

    def text(self, offset: int) -> str:
        assert offset != 0
        line = self.texts[int(offset) : self.texts.index(b"\n", int(offset))]
        return line.decode().replace("\\n", "\n").replace("\\\\", "\\")

    def file(self, name: str) -> int:
        """The number of the one file whose path ends so."""
        met = [f for f in self.of(Kind.FILE) if self.text(f["length"]).endswith(name)]
        assert len(met) == 1, [self.text(f["length"]) for f in self.of(Kind.FILE)]
        return int(met[0]["file"])


def read(path: Path) -> Recorded:
    content = path.read_bytes()
    header = np.frombuffer(content, HEADER, 1)[0]
    assert bytes(header["magic"]) == MAGIC
    whole = (len(content) - HEADER_BYTES) // RECORD.itemsize
    slots = np.frombuffer(content, RECORD, whole, HEADER_BYTES)
    texts = path.with_suffix(".text").read_bytes()
    assert texts.startswith(TEXT_HEAD)
    return Recorded(path, header, slots, texts)


@dataclass(frozen=True)
class Ran:
    """A program that was run with the recorder, and its segments by when they were begun."""

    stdout: str
    stderr: str
    segments: list[Recorded]

    @property
    def only(self) -> Recorded:
        (segment,) = self.segments
        return segment

    def process(self, pid: int) -> list[Recorded]:
        return [segment for segment in self.segments if segment.pid == pid]


Play = Callable[..., Ran]
"""Play a scene of the actor with the recorder loaded: its words, its status, its variables."""


def environment(library: Path, trace: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "LOCKSCOPE_"))}
    return {**inherited, "LD_PRELOAD": str(library), "LOCKSCOPE_TRACE": str(trace)}


def segments(trace: Path) -> list[Recorded]:
    found = [read(path) for path in trace.glob("*-native.segment")]
    return sorted(found, key=lambda segment: int(segment.header["started_ns"]))


def run(
    command: Sequence[str | Path], library: Path, trace: Path, *, status: int = 0, **variables: str
) -> Ran:
    """Run to the end with the recorder loaded; `variables` are added to the environment."""
    trace.mkdir(exist_ok=True)
    done = subprocess.run(
        [str(word) for word in command],
        env={**environment(library, trace), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return Ran(done.stdout, done.stderr, segments(trace))
