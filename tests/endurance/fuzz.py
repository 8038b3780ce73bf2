"""Damaged traces: only a clear error, or a reading with its gaps.

    python tests/endurance/fuzz.py [--inputs 1000000] [--seed N] [--jobs 1]

Takes traces of real programs, recorded by the native recorder: a C program, a Python program with
statements, a trace whose ring turns. Damages them - flipped bits, cuts, blocks that change places,
headers that lie, huge numbers, files that are absent or another's - and reads each, interprets and
analyses it, and renders the report, as JSON or as both. Anything but a `TraceError` fails, and so
does an input that takes longer than twenty seconds or more than two gigabytes. A failing input is
kept, and its number and seed bring it back.
"""

import argparse
import io
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from kills import compile_program

from lockscope.analysis import analyse
from lockscope.capture.preload import LIBRARY, missing_sentence
from lockscope.errors import TraceError
from lockscope.interpret import interpret
from lockscope.report import terminal
from lockscope.report.json import report_document
from lockscope.trace.kinds import HEADER_BYTES, RECORD_BYTES
from lockscope.trace.manifest import MANIFEST_NAME, Manifest
from lockscope.trace.reader import read_trace
from lockscope.trace.room import Room

__all__ = ["Content", "FuzzError", "Tally", "fuzz", "fuzz_all", "real_traces"]

Content = dict[str, bytes]
"""The files of a trace."""
Damage = Callable[[random.Random, Content, str], bytes]

_LONGEST_S: Final = 20
_MOST_BYTES: Final = 2 << 30
_TURNING_SHARE: Final = 500
"""One input in so many is made from the trace that turns, which is sixty times as long."""
_TERMINAL_SHARE: Final = 5
"""One in so many is rendered for the terminal too, which takes as long as all else."""
_SHARE: Final = 200
"""Inputs that a process reads in one go."""
_TOLD_EVERY: Final = 50_000
_HUGE: Final = (0, 1, 2, 127, 255, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40)
_HUGER: Final = ((1 << 63) - 1, 1 << 63, (1 << 64) - 1)

_PROGRAM: Final = """
import sqlite3, sys
for mode in ("delete", "wal"):
    connection = sqlite3.connect(sys.argv[1], timeout=0.05, isolation_level=None)
    for statement in (
        f"PRAGMA journal_mode={mode}", "CREATE TABLE IF NOT EXISTS t(x)", "BEGIN IMMEDIATE",
        "INSERT INTO t VALUES (1)", "COMMIT", "SELECT * FROM t", "BEGIN", "SELECT * FROM t",
        "INSERT INTO t VALUES (2)", "COMMIT",
    ):
        try:
            connection.execute(statement).fetchall()
        except sqlite3.OperationalError:
            pass
    connection.close()
"""


class FuzzError(AssertionError):
    """A damaged trace that was not taken as one."""


@dataclass
class Tally:
    """How many damaged traces were refused, read with gaps, and read without."""

    refused: int = 0
    gaps: int = 0
    whole: int = 0

    @property
    def inputs(self) -> int:
        """All of them."""
        return self.refused + self.gaps + self.whole

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.refused + other.refused, self.gaps + other.gaps, self.whole + other.whole)

    def __str__(self) -> str:
        return (
            f"{self.inputs:,} inputs: {self.refused:,} refused, {self.gaps:,} with gaps, "
            f"{self.whole:,} without"
        )


def real_traces(room: Path) -> tuple[Content, ...]:
    """The traces that are damaged; the last one turns."""
    locks = [compile_program(room), room / "c.db", room / "counter"]
    script = room / "program.py"
    script.write_text(_PROGRAM)
    two = f"{sys.executable} {script} {room}/p.db & {sys.executable} {script} {room}/p.db; wait"
    return (
        _recorded(room / "c.trace", [*locks], calls=600),
        _recorded(room / "p.trace", ["sh", "-c", two]),
        _recorded(room / "r.trace", [*locks], calls=120_000, limit=8_000_000),
    )


def _recorded(
    trace: Path, command: list[str | Path], *, calls: int = 0, limit: int | None = None
) -> Content:
    trace.mkdir()
    Manifest(("command",), "/", "host", "boot", 0, "1970-01-01T00:00:00+00:00", {}).write(trace)
    if limit:
        Room(trace, limit)
    counter = trace.parent / "counter"
    counter.write_bytes(bytes(4096))
    environment = {**os.environ, "LD_PRELOAD": str(LIBRARY), "LOCKSCOPE_TRACE": str(trace)}
    with subprocess.Popen(command, env=environment) as process:
        while calls and int.from_bytes(counter.read_bytes()[:8], "little") < calls:
            assert process.poll() is None
        if calls:
            process.send_signal(signal.SIGKILL)
    return {path.name: path.read_bytes() for path in sorted(trace.iterdir())}


def fuzz(numbers: range, seed: int, traces: tuple[Content, ...], room: Path, keep: Path) -> Tally:
    """Read the damaged traces of these numbers.

    Args:
        numbers: Which.
        seed: Of all chance; a damage depends on it and on the number alone.
        traces: What is damaged; the last one turns.
        room: A folder, best in memory.
        keep: Where an input that fails is kept.

    Raises:
        FuzzError: One of them was neither read nor refused.
    """
    tally = Tally()
    for number in numbers:
        chance = random.Random(f"{seed}/{number}")
        turning = number % _TURNING_SHARE == 0
        content = dict(traces[-1] if turning else chance.choice(traces[:-1]))
        for _ in range(chance.randrange(1, 5)):
            _damage(chance, content)
        folder = room / f"{os.getpid()}.trace"
        _write(folder, content)
        try:
            _read(folder, tally, in_terminal=number % _TERMINAL_SHARE == 0)
        except Exception as error:
            kept = keep / f"fuzz-{seed}-{number}.trace"
            shutil.copytree(folder, kept)
            raise FuzzError(f"input {number} of seed {seed}, kept as {kept}: {error!r}") from error
    return tally


def _write(folder: Path, content: Content) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, bytes_ in content.items():
        (folder / name).write_bytes(bytes_)


def _read(folder: Path, tally: Tally, *, in_terminal: bool) -> None:
    signal.alarm(_LONGEST_S)
    try:
        trace = read_trace(folder)
        analysis = analyse(interpret(trace))
        answer = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        if in_terminal:
            terminal.render(trace, analysis, answer)
        # Each in one piece, since only so is json fast; all in one would not fit into the memory.
        for part in report_document(trace, analysis).values():
            for one in part if isinstance(part, list) else [part]:
                answer.write(json.dumps(one, allow_nan=False))
        answer.flush()
    except TraceError as error:
        tally.refused += 1
        if str(folder) not in str(error):
            raise FuzzError(f"the sentence does not say which trace: {error}") from error
    else:
        tally.gaps += bool(trace.gaps)
        tally.whole += not trace.gaps
    finally:
        signal.alarm(0)


def _damage(chance: random.Random, content: Content) -> None:
    names = [name for name in content if name != MANIFEST_NAME or chance.random() < 0.2]
    if not names:
        return
    name = chance.choice(names)
    kinds = _OF_MANIFEST if name == MANIFEST_NAME else _OF_FILE
    if name.endswith(".segment"):
        kinds = (*_OF_FILE, *_OF_SEGMENT, *_OF_SEGMENT)
    damage = chance.choice(kinds)
    damaged = damage(chance, content, name)
    if damage is _absent:
        del content[name]
    else:
        content[name] = damaged


def _used(bytes_: bytes | bytearray) -> int:
    return max(1, len(bytes_.rstrip(b"\0")))


def _flip(chance: random.Random, content: Content, name: str) -> bytes:
    damaged = bytearray(content[name])
    for _ in range(chance.randrange(1, 9) if damaged else 0):
        damaged[chance.randrange(_used(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _noise(chance: random.Random, content: Content, name: str) -> bytes:
    damaged = bytearray(content[name])
    at, n = chance.randrange(_used(damaged)), chance.randrange(1, 200)
    damaged[at : at + n] = chance.randbytes(n)
    return bytes(damaged)


def _cut(chance: random.Random, content: Content, name: str) -> bytes:
    return content[name][: chance.randrange(_used(content[name]) + 1)]


def _longer(chance: random.Random, content: Content, name: str) -> bytes:
    return content[name] + chance.randbytes(chance.randrange(1, 10_000))


def _absent(_chance: random.Random, content: Content, name: str) -> bytes:
    return content[name]


def _anothers(chance: random.Random, content: Content, _name: str) -> bytes:
    return content[chance.choice(list(content))]


def _swap(chance: random.Random, content: Content, name: str) -> bytes:
    damaged = bytearray(content[name])
    size = RECORD_BYTES * chance.choice((1, 1, 10, 341))
    one, other = (_record_at(chance, damaged) for _ in range(2))
    first = damaged[one : one + size]
    damaged[one : one + size] = damaged[other : other + size]
    damaged[other : other + size] = first
    return bytes(damaged)


def _repeat(chance: random.Random, content: Content, name: str) -> bytes:
    damaged = bytearray(content[name])
    one, other = (_record_at(chance, damaged) for _ in range(2))
    fields = RECORD_BYTES - 4  # under the sequence of its new place, so that it counts
    damaged[one : one + fields] = damaged[other : other + fields]
    return bytes(damaged)


def _record_at(chance: random.Random, segment: bytes | bytearray) -> int:
    records = max(1, (_used(segment) - HEADER_BYTES) // RECORD_BYTES)
    return HEADER_BYTES + RECORD_BYTES * chance.randrange(records)


_RECORD_FIELDS: Final = (
    (0, 8), (8, 8), (16, 8), (24, 4), (28, 4), (32, 4), (36, 4), (40, 1), (41, 1), (42, 2), (44, 4)
)  # fmt: skip
_HEADER_FIELDS: Final = (
    *((8 + 4 * number, 4) for number in range(4)), (24, 8), (32, 8), (40, 4), (44, 4),
    *((48 + 8 * number, 8) for number in range(6)),
)  # fmt: skip


def _number(chance: random.Random, size: int) -> bytes:
    value = chance.choice((*_HUGE, *_HUGER, chance.randrange(1 << 64), chance.randrange(1 << 20)))
    return value.to_bytes(8, "little")[:size]


def _lying_record(chance: random.Random, content: Content, name: str) -> bytes:
    damaged = bytearray(content[name])
    for _ in range(chance.randrange(1, 20)):
        record = _record_at(chance, damaged)
        field, size = chance.choice(_RECORD_FIELDS[:-1])
        damaged[record + field : record + field + size] = _number(chance, size)
    return bytes(damaged)


def _lying_header(chance: random.Random, content: Content, name: str) -> bytes:
    damaged = bytearray(content[name])
    for _ in range(chance.randrange(1, 3)):
        field, size = chance.choice(_HEADER_FIELDS)
        damaged[field : field + size] = _number(chance, size)
    return bytes(damaged)


def _lying_manifest(chance: random.Random, content: Content, name: str) -> bytes:
    try:
        document = json.loads(content[name])
    except ValueError:
        return content[name]
    if not isinstance(document, dict) or not document:
        return b"[]"
    values: tuple[Any, ...] = (
        None, True, -1, 1.5, 1e400, 1 << 70, "", "x" * 5000, [], {}, [None], [[]], {"path": 1},
        [{"path": "a", "device": 1, "inode": 2, "journal_mode": "wal"}], "\ud800", [1, "a"],
    )  # fmt: skip
    key = chance.choice(list(document))
    if chance.random() < 0.2:
        del document[key]
    else:
        document[key] = chance.choice(values)
    if chance.random() < 0.1:
        document["unknown"] = 1
    return json.dumps(document).encode()


_OF_FILE: Final[tuple[Damage, ...]] = (_flip, _noise, _cut, _longer, _absent, _anothers)
_OF_SEGMENT: Final[tuple[Damage, ...]] = (_swap, _repeat, _lying_record, _lying_header)
_OF_MANIFEST: Final[tuple[Damage, ...]] = (
    _flip,
    _noise,
    _cut,
    _absent,
    _anothers,
    *[_lying_manifest] * 6,
)


def _too_long(_number: int, _frame: object) -> None:
    raise TimeoutError(f"it takes longer than {_LONGEST_S} s")


def _limits() -> None:
    warnings.simplefilter("error")  # a reader would be shown it
    signal.signal(signal.SIGALRM, _too_long)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _shares(inputs: int) -> list[range]:
    return [range(first, min(first + _SHARE, inputs)) for first in range(0, inputs, _SHARE)]


def fuzz_all(inputs: int, seed: int, jobs: int, room: Path) -> Tally:
    """Read that many damaged traces in so many processes, and tell now and then how far it is."""
    work = partial(fuzz, seed=seed, traces=real_traces(room), room=room, keep=Path.cwd())
    tally = Tally()
    # Forked: a trace that turns is eight megabytes, too much to be sent with each share.
    with multiprocessing.get_context("fork").Pool(jobs, _limits) as pool:
        for share in pool.imap_unordered(work, _shares(inputs)):
            before = tally.inputs
            tally += share
            if before // _TOLD_EVERY < tally.inputs // _TOLD_EVERY:
                print(tally, file=sys.stderr, flush=True)
    return tally


def main() -> None:
    """Damage, read, and tell how it went."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    arguments = parser.parse_args()
    if missing_sentence():
        sys.exit(missing_sentence())
    print(f"seed {arguments.seed}", flush=True)
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        print(fuzz_all(arguments.inputs, arguments.seed, arguments.jobs, Path(folder)))


if __name__ == "__main__":
    main()
