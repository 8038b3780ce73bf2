"""How long `lockscope who` takes as a whole process, beside lslocks, lsof and fuser.

    python benchmarks/who.py [--rounds 31]

In turns, so that a noisy machine disturbs all alike, with five holders: alone, and among 2,000
unrelated locks. Prints the median of each, the smallest and the largest, and how many times as long
`lockscope who` took in the same round; a bare interpreter's start is shown since it is part of it.
Saves all as JSON.
"""

import argparse
import contextlib
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
HOLDERS = 5
UNRELATED = 2000
BUDGETS_MS = {0: 80.0, UNRELATED: 150.0}
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
connection.execute("SELECT count(*) FROM t").fetchone()
print("held", flush=True)
sys.stdin.read()
"""
LOCKER = """
import fcntl, sys
file = open(sys.argv[1], "w")
for place in range(int(sys.argv[2])):
    fcntl.lockf(file, fcntl.LOCK_EX, 1, place * 2)
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def running(folder: Path, program: str, *words: object) -> Iterator[None]:
    """A program that holds what it holds as long as the block lasts."""
    script = folder / "holder.py"
    script.write_text(program)
    command = [sys.executable, str(script), *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdout.readline()
        yield
        holder.stdin.close()


@contextlib.contextmanager
def held(folder: Path, unrelated: int) -> Iterator[Path]:
    """A database with a writer and four readers, among other locks."""
    database = folder / "app.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE t(x)")
    with contextlib.ExitStack() as stack:
        for number in range(HOLDERS):
            begin = "BEGIN" if number else "BEGIN IMMEDIATE"
            stack.enter_context(running(folder, HOLDER, database, begin))
        if unrelated:
            stack.enter_context(running(folder, LOCKER, folder / "unrelated", unrelated))
        yield database


def commands(database: Path) -> dict[str, list[str]]:
    """What is compared; what is not installed is said and left out."""
    asked = {
        "lockscope who": [f"{Path(sys.executable).parent}/lockscope", "who", str(database)],
        "bare python": [sys.executable, "-c", "pass"],
        "lslocks": ["lslocks"],
        "lsof": ["lsof", str(database)],
        "fuser": ["fuser", str(database)],
    }
    for name, command in list(asked.items()):
        if shutil.which(command[0]) is None:
            print(f"{name} is not installed: left out", file=sys.stderr)
            del asked[name]
    return asked


def took_ms(command: list[str]) -> float:
    """Milliseconds from the start of a process to its end."""
    began = time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    took = (time.perf_counter() - began) * 1e3
    # An answer that was not given is not a fast one: `who` ends with 1, as a writer is there.
    if done.returncode not in (0, 1) or ("who" in command and done.returncode != 1):
        raise SystemExit(f"{' '.join(command)} failed with status {done.returncode}")
    return took


def measured(unrelated: int, rounds: int) -> list[dict[str, object]]:
    """The figures among so many unrelated locks, printed too."""
    with tempfile.TemporaryDirectory() as folder, held(Path(folder), unrelated) as database:
        asked = commands(database)
        figures: dict[str, list[float]] = {name: [] for name in asked}
        for number in range(rounds):
            names = list(asked)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                figures[name].append(took_ms(asked[name]))
    print(f"\n{HOLDERS} holders, {unrelated} unrelated locks, load {os.getloadavg()[0]:.1f}")
    return [row(name, figures, unrelated) for name in figures]


def row(name: str, figures: dict[str, list[float]], unrelated: int) -> dict[str, object]:
    """One line of the answer, printed; and as data."""
    own = figures[name]
    median = statistics.median(own)
    ratios = [a / b for a, b in zip(figures["lockscope who"], own, strict=True)]
    line = f"{name:<14} {median:7.1f} ms  ({min(own):.1f} to {max(own):.1f})"
    if name == "lockscope who":
        budget = BUDGETS_MS[unrelated]
        line += f"   budget {budget:.0f} ms: {'met' if median <= budget else 'NOT MET'}"
    else:
        line += f"   who takes {statistics.median(ratios):.1f} x as long"
    print(line)
    return {"name": name, "unrelated": unrelated, "ms": own, "median_ms": median, "ratios": ratios}


def main() -> None:
    """Run the rounds, print, save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=31)
    rounds = parser.parse_args().rounds
    results = [line for unrelated in BUDGETS_MS for line in measured(unrelated, rounds)]
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "who.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
