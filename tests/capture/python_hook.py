"""Running Python programs with the recorder in them, and reading what it kept of them."""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from lockscope.trace.kinds import Kind, Method
from lockscope.trace.segment import Segment, read_segment

SOURCES = Path(__file__).parents[2] / "src" / "lockscope" / "capture" / "native"
WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror")
SHARED = ("-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-ftls-model=initial-exec", "-pthread")
PROBE = (
    "import sys, sqlite3; assert sys.version_info >= (3, 11) and 't' not in sys.abiflags;"
    "print(sys.executable)"
)


@functools.cache
def compiler() -> str:
    found = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if found is None:
        pytest.skip("needs a C compiler")
    return found


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="lockscope-test-")


@functools.cache
def library() -> Path:
    """The recorder, built from the sources as they are now."""
    if sys.platform != "linux":
        pytest.skip("the recorder is for Linux")
    made = Path(_folder().name) / "liblockscope.so"
    sources = sorted(map(str, SOURCES.glob("*.c")))
    subprocess.run([compiler(), *WARNINGS, *SHARED, "-o", str(made), *sources, "-ldl"], check=True)
    return made


def _probe(python: str) -> str:
    try:
        run = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return str(Path(run.stdout.strip()).resolve())


def _folders() -> list[str]:
    """Where interpreters lie: PATH, and pyenv's versions, which it keeps off PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    with contextlib.suppress(PermissionError):  # another user's, from an inherited environment
        return [*os.get_exec_path(), *map(str, sorted(pyenv.glob("versions/*/bin")))]
    return os.get_exec_path()


@functools.cache
def pythons() -> tuple[str, ...]:
    """The interpreters of this machine that the hook is made for."""
    names = [f"python3.{minor}" for minor in range(11, 20)]
    places = [shutil.which(name, path=folder) for folder in _folders() for name in names]
    found = {_probe(place) for place in (sys.executable, *places) if place}
    return tuple(sorted(found - {""}))


@dataclass(frozen=True)
class Statement:
    """A STATEMENT record in words; `line` is 0 without a source."""

    method: Method
    sql: str
    file: str
    line: int
    error: int
    message: str
    connection: int
    thread: int


class Traced:
    """A folder for programs and their traces."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder = folder
        self.python = python
        self.trace = folder / "of.trace"
        self.trace.mkdir()

    def write(self, text: str, name: str = "program.py") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(
        self,
        program: Path,
        *flags: str,
        traced: bool = True,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if "LOCKSCOPE" not in name}
        if traced:
            inherited |= {"LD_PRELOAD": str(library()), "LOCKSCOPE_TRACE": str(self.trace)}
        return subprocess.run(
            [self.python, *flags, str(program)],
            env=inherited | dict(environment),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    def segments(self) -> list[Segment]:
        found = [read_segment(path) for path in self.trace.glob("*.segment")]
        return sorted(found, key=lambda segment: segment.started_ns)

    def statements(self, which: int = 0) -> list[Statement]:
        return statements(self.segments()[which])

    def lines(self, program: Path) -> dict[str, int]:
        """Line numbers by the `#name` at their end."""
        lines = program.read_text().splitlines()
        return {line.rpartition("#")[2]: n for n, line in enumerate(lines, 1) if "#" in line}

    def text(self) -> str:
        """All texts of all segments."""
        return "".join(path.read_text() for path in self.trace.glob("*.text"))


def contexts(segment: Segment) -> dict[int, tuple[str, str]]:
    records = segment.records[segment.records["kind"] == Kind.CONTEXT]
    return {
        int(record["context"]): (
            segment.text_at(int(record["length"])),
            segment.text_at(int(record["file"])),
        )
        for record in records
    }


def statements(segment: Segment) -> list[Statement]:
    known = contexts(segment)
    made = []
    for record in segment.records[segment.records["kind"] == Kind.STATEMENT]:
        sql, source = known.get(int(record["context"]), ("", ""))
        path, _, line = source.rpartition(":")
        made.append(
            Statement(
                method=Method(int(record["mode"])),
                sql=sql,
                file=path,
                line=int(line or 0),
                error=int(record["error"]),
                message=segment.text_at(int(record["length"])),
                connection=int(record["start"]),
                thread=int(record["thread"]),
            )
        )
    return made


def notes(segment: Segment) -> list[str]:
    records = segment.records[segment.records["kind"] == Kind.NOTE]
    return [segment.text_at(int(record["length"])) for record in records]


def file_names(segment: Segment) -> dict[int, str]:
    records = segment.records[segment.records["kind"] == Kind.FILE]
    return {int(one["file"]): Path(segment.text_at(int(one["length"]))).name for one in records}
