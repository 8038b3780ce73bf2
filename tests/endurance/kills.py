"""Processes that are killed at random moments: what they had recorded is read back.

    python tests/endurance/kills.py [--kills 1000] [--seed N]

A C program locks without end and publishes, in a mapping that outlives it, how many lock calls have
returned. It is killed once that number has passed a random one, and its trace is read: each call
that had returned must be there, in order, and at most the one that had not may be there as well.
Every second trace has a greatest size, so that the kill falls into the turning of its ring.
"""

import argparse
import mmap
import os
import random
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from lockscope.analysis import analyse
from lockscope.capture.preload import LIBRARY, missing_sentence
from lockscope.interpret import interpret
from lockscope.trace.kinds import Kind
from lockscope.trace.manifest import Manifest
from lockscope.trace.reader import read_trace
from lockscope.trace.room import Room

__all__ = ["Victim", "compile_program", "kill_often"]

_PROGRAM: Final = Path(__file__).parent / "programs" / "counted_locks.c"
_LENGTHS: Final = 500
_LIMIT: Final = 8_000_000
_RING: Final = 100_000
"""Calls after which a trace of that size has surely turned."""


@dataclass(frozen=True)
class Victim:
    """What is asked of one kill: when it falls, and whether the trace turns by then."""

    calls: int
    turning: bool


def compile_program(folder: Path) -> Path:
    """The C program, compiled into a folder."""
    program = folder / "counted_locks"
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-o", program, _PROGRAM], check=True)
    return program


def kill_often(kills: int, seed: int, program: Path, room: Path) -> int:
    """Kill that many processes and check each trace; gives how many calls were compared.

    Raises:
        AssertionError: A trace does not hold what had returned.
    """
    chance = random.Random(seed)
    compared = 0
    for number in range(kills):
        turning = number % 2 == 1
        calls = chance.randrange(_RING, 2 * _RING) if turning else chance.randrange(1, 40_000)
        with tempfile.TemporaryDirectory(dir=room) as folder:
            compared += _kill_one(Victim(calls, turning), program, Path(folder))
    return compared


def _kill_one(victim: Victim, program: Path, folder: Path) -> int:
    trace, counter = folder / "k.trace", folder / "counter"
    trace.mkdir()
    Manifest(("command",), "/", "host", "boot", 0, "1970-01-01T00:00:00+00:00", {}).write(trace)
    if victim.turning:
        Room(trace, _LIMIT)
    counter.write_bytes(bytes(mmap.PAGESIZE))
    environment = {**os.environ, "LD_PRELOAD": str(LIBRARY), "LOCKSCOPE_TRACE": str(trace)}
    with counter.open("r+b") as file, mmap.mmap(file.fileno(), mmap.PAGESIZE) as page:
        command = [program, folder / "a.db", counter]
        with subprocess.Popen(command, env=environment) as process:
            while int.from_bytes(page[:8], "little") < victim.calls:
                assert process.poll() is None, process.returncode
            process.send_signal(signal.SIGKILL)
        finished = int.from_bytes(page[:8], "little")
    _compare(trace, finished, victim)
    return finished


def _compare(folder: Path, finished: int, victim: Victim) -> None:
    trace = read_trace(folder)
    analyse(interpret(trace))
    locks = trace.of_kind(Kind.LOCK)
    assert len(locks) > 0
    told = int(locks["length"][-1]) - 1
    assert told in {(finished - 1) % _LENGTHS, finished % _LENGTHS}, (told, finished)
    steps = np.diff(locks["length"].astype(np.int64))
    assert np.isin(steps, (1, 1 - _LENGTHS)).all(), "a call is missing between two others"
    [process] = trace.processes
    assert process.lost == 0
    if victim.turning:
        assert len(trace.gaps) == 1, trace.gaps
        assert len(locks) < finished
    else:
        assert trace.gaps == ()
        assert len(locks) in {finished, finished + 1}, (len(locks), finished)


def main() -> None:
    """Kill, and tell how it went."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    if missing_sentence():
        sys.exit(missing_sentence())
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as folder:
        program = compile_program(Path(folder))
        compared = kill_often(arguments.kills, arguments.seed, program, Path(folder))
    print(f"{arguments.kills} kills, {compared:,} finished lock calls: all of them were read back")


if __name__ == "__main__":
    main()
