"""A foreign program traced by lockscope and by strace at the same time."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import strace
from foreign_programs import FOLDER, Program
from recorded import segments
from strace import Requests, recorded_requests, seen_requests

__all__ = ["MODES", "Comparison", "compare", "report", "words"]

MODES: Final = ("delete", "wal")
TRANSACTIONS: Final = 3
LOCKSCOPE: Final = (sys.executable, "-m", "lockscope")


@dataclass(frozen=True)
class Comparison:
    """The lock calls of one run, by thread."""

    seen: Requests
    recorded: Requests
    trace: Path

    @property
    def counts(self) -> tuple[int, int]:
        """Lock calls that strace saw, and that lockscope recorded."""
        return total(self.seen), total(self.recorded)


def total(requests: Requests) -> int:
    return sum(map(len, requests.values()))


def compare(program: Program, mode: str, room: Path) -> Comparison:
    """Run it once alone and three times at once on one database.

    Raises:
        MissingProgramError: It cannot be compiled here.
    """
    trace, log, database = room / "t.trace", room / "strace", room / "a.db"
    words = ["sh", str(FOLDER / "several.sh"), *program.command(room)]
    words += [str(database), mode, str(TRANSACTIONS)]
    done = subprocess.run(
        [*LOCKSCOPE, "trace", "-q", "-o", str(trace), "--", *strace.command(log), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=room,
        env=dict(os.environ),
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    recorded = recorded_requests(segments(trace))
    return Comparison(seen_requests(log, ".db", ".db-shm"), recorded, trace)


def report(trace: Path) -> dict[str, Any]:
    """What `lockscope report --json` says of it."""
    document: dict[str, Any] = json.loads(_reported(trace, "--json"))
    return document


def words(trace: Path) -> str:
    """What `lockscope report` says of it, on one line."""
    return " ".join(_reported(trace).split())


def _reported(trace: Path, *options: str) -> str:
    command = [*LOCKSCOPE, "report", str(trace), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout
