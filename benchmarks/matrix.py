"""What recording costs, mode by mode, and beside other tracers.

    python benchmarks/matrix.py [--rounds 7] [--scale 1.0] [--only TEXT ...]

WAL and rollback journal, `synchronous` OFF and FULL, one process and eight, a C program (locks
only) and a Python program (with statements and lines); then programs without a database. Each
untraced, traced, under `strace -f -e trace=fcntl`, and under `perf trace` where the kernel lets it.
The ways take turns within a round, so that a noisy machine disturbs all alike; a ratio is that to
the untraced run of the same round: median, smallest and largest. Saved as JSON.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lockscope.capture.recording import Recording

HERE: Final = Path(__file__).parent
PROGRAMS: Final = HERE / "native_programs"
STRACE: Final = ("strace", "-f", "-e", "trace=fcntl", "-o", os.devnull)
PERF: Final = ("perf", "trace", "-e", "fcntl", "-o", os.devnull, "--")
COUNTS: Final = {("wal", "OFF"): 30_000, ("wal", "FULL"): 400, ("delete", "OFF"): 4_000,
                 ("delete", "FULL"): 200}  # fmt: skip
"""Transactions of all processes together: about a second's worth on an ordinary disk."""


@dataclass(frozen=True)
class Case:
    """One program to be run in every way; `{database}` in its command is a fresh file.

    Attributes:
        name: Of the case.
        command: What each process runs.
        processes: How many run at the same time.
        prepare: What is run once before, untraced: processes that change the journal mode at the
            same time refuse each other at once.
        tells: Whether the program prints the nanoseconds of its loop; else it is timed whole.
    """

    name: str
    command: tuple[str, ...]
    processes: int = 1
    tells: bool = True
    prepare: tuple[str, ...] = ()


def cases(folder: Path, scale: float) -> list[Case]:
    """What is measured; the C program is compiled into the folder."""
    native = folder / "mode_transactions"
    source = PROGRAMS / "mode_transactions.c"
    subprocess.run(["cc", "-O2", "-o", native, source, "-lsqlite3"], check=True)
    python = (sys.executable, str(PROGRAMS / "mode_transactions.py"))
    chosen = []
    for language, program in (("C", (str(native),)), ("Python", python)):
        for (journal, synchronous), total in COUNTS.items():
            for processes in (1, 8):
                each = str(max(1, int(total * scale) // processes))
                name = f"{language}, {journal}, {synchronous}, {processes} at once"
                command, none = (
                    (*program, "{database}", count, journal, synchronous) for count in (each, "0")
                )
                chosen.append(Case(name, command, processes, prepare=none))
    return chosen + plain_cases(folder, scale)


def plain_cases(folder: Path, scale: float) -> list[Case]:
    """Programs that have no database."""
    big = folder / "big"
    big.write_bytes(os.urandom(1 << 20) * max(1, int(64 * scale)))
    turns = int(300_000 * scale)
    loop = f"i=0; while [ $i -lt {turns} ]; do i=$((i+1)); done"
    starts = f"i=0; while [ $i -lt {int(200 * scale)} ]; do /bin/true; i=$((i+1)); done"
    return [
        Case("no database: python -c pass", (sys.executable, "-c", "pass"), tells=False),
        Case("no database: a loop in sh", ("sh", "-c", loop), tells=False),
        Case("no database: cp", ("cp", str(big), "{database}"), tells=False),
        Case("no database: many short programs", ("sh", "-c", starts), tells=False),
    ]


def ways() -> dict[str, tuple[str, ...]]:
    """Ways to run a program: what stands before its command."""
    found: dict[str, tuple[str, ...]] = {"untraced": (), "traced": ()}
    for name, before in (("strace", STRACE), ("perf trace", PERF)):
        works = shutil.which(before[0]) and (
            subprocess.run([*before, "true"], capture_output=True, check=False).returncode == 0
        )
        if works:
            found[name] = before
        else:
            print(f"{name}: not here, or the kernel does not let it", file=sys.stderr)
    return found


def run(case: Case, way: str, before: tuple[str, ...], room: Path) -> int:
    """Nanoseconds that the slowest of the processes took."""
    with tempfile.TemporaryDirectory(dir=room) as folder:
        database = str(Path(folder) / "m.db")
        command, prepare = (
            [word.replace("{database}", database) for word in words]
            for words in ((*before, *case.command), case.prepare)
        )
        if prepare:
            subprocess.run(prepare, check=True, stdout=subprocess.DEVNULL)
        if way != "traced":
            return timed(case, command, dict(os.environ))
        with Recording(Path(folder) / "m.trace", tuple(command)) as recording:
            return timed(case, command, recording.environment(os.environ))


def timed(case: Case, command: list[str], environment: dict[str, str]) -> int:
    """Start the processes at once and wait for them."""
    began_ns = time.monotonic_ns()
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(case.processes)
    ]
    answers = [process.communicate()[0] for process in running]
    took_ns = time.monotonic_ns() - began_ns
    failed = [process.returncode for process in running if process.returncode != 0]
    if failed:
        raise SystemExit(f"{case.name}: a process ended with status {failed[0]}")
    return max(map(int, answers)) if case.tells else took_ns


def measure(
    case: Case, rounds: int, room: Path, chosen: dict[str, tuple[str, ...]]
) -> list[dict[str, object]]:
    """The ratios of one case, printed; and as data."""
    figures: dict[str, list[int]] = {way: [] for way in chosen}
    order = list(chosen.items())
    for number in range(rounds):
        turn = number % len(order)
        for way, before in order[turn:] + order[:turn]:
            figures[way].append(run(case, way, before, room))
    print(f"{case.name}: {statistics.median(figures['untraced']) / 1e6:.1f} ms untraced")
    return [result(case, way, figures) for way in chosen if way != "untraced"]


def result(case: Case, way: str, figures: dict[str, list[int]]) -> dict[str, object]:
    """One way of one case, printed; and as data."""
    ratios = [a / b for a, b in zip(figures[way], figures["untraced"], strict=True)]
    ratio = statistics.median(ratios)
    print(f"  {way:<11}{ratio:8.3f} x  ({min(ratios):.3f} to {max(ratios):.3f})", flush=True)
    return {
        "case": case.name,
        "way": way,
        "untraced_ns": figures["untraced"],
        "ns": figures[way],
        "ratios": ratios,
        "median_ratio": ratio,
    }


def main() -> None:
    """Run the rounds, print, save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="of the work, 1: a second each")
    parser.add_argument("--only", nargs="*", default=[], help="cases with all of these words")
    parser.add_argument("--without", nargs="*", default=[], help="ways to leave out")
    arguments = parser.parse_args()
    chosen = {way: before for way, before in ways().items() if way not in arguments.without}
    with tempfile.TemporaryDirectory() as room:
        results = [
            line
            for case in cases(Path(room), arguments.scale)
            if all(word in case.name for word in arguments.only)
            for line in measure(case, arguments.rounds, Path(room), chosen)
        ]
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "matrix.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
