"""What recording costs, mode by mode, and beside other tracers.

    python benchmarks/matrix.py [--rounds 7] [--scale 1.0] [--only TEXT ...] [--write FILE]

WAL and rollback journal, `synchronous` OFF and FULL, one process and eight, a C program (locks
only) and a Python program (with statements and lines); then programs without a database. Each
untraced, traced, under `strace -f -e trace=fcntl`, and under `perf trace` where the kernel lets it.
The ways take turns within a round, so that a noisy machine disturbs all alike; a ratio is that to
the untraced run of the same round: median, smallest and largest. Where a disk is waited for, or
another process, time says little; so the ratio of processor time is told too, that of all processes
and of strace or perf. Saved as JSON, and as a table where asked.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

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


def run(case: Case, way: str, before: tuple[str, ...], room: Path) -> tuple[int, int]:
    """Nanoseconds that the slowest of the processes took, and processor time of all."""
    with tempfile.TemporaryDirectory(dir=room) as folder:
        database = str(Path(folder) / "m.db")
        command, prepare = (
            [word.replace("{database}", database) for word in words]
            for words in ((*before, *case.command), case.prepare)
        )
        if prepare:
            subprocess.run(prepare, check=True, stdout=subprocess.DEVNULL)
        began_ns = processor_ns()
        if way != "traced":
            took_ns = timed(case, command, dict(os.environ))
        else:
            with Recording(Path(folder) / "m.trace", tuple(command)) as recording:
                took_ns = timed(case, command, recording.environment(os.environ))
        return took_ns, processor_ns() - began_ns


def processor_ns() -> int:
    """Processor time of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((used.ru_utime + used.ru_stime) * 1e9)


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
    figures: dict[str, list[tuple[int, int]]] = {way: [] for way in chosen}
    order = list(chosen.items())
    for number in range(rounds):
        turn = number % len(order)
        for way, before in order[turn:] + order[:turn]:
            figures[way].append(run(case, way, before, room))
    untraced_ns = statistics.median(took for took, _ in figures["untraced"])
    print(f"{case.name}: {untraced_ns / 1e6:.1f} ms untraced")
    return [result(case, way, figures) for way in chosen if way != "untraced"]


def result(case: Case, way: str, figures: dict[str, list[tuple[int, int]]]) -> dict[str, object]:
    """One way of one case, printed; and as data."""
    both = list(zip(figures[way], figures["untraced"], strict=True))
    ratios, processor = ([a[of] / b[of] for a, b in both] for of in (0, 1))
    median, processor_median = statistics.median(ratios), statistics.median(processor)
    spread = f"({min(ratios):.3f} to {max(ratios):.3f})"
    print(
        f"  {way:<11}{median:8.3f} x  {spread:<18} processor {processor_median:.3f} x", flush=True
    )
    return {
        "case": case.name,
        "way": way,
        "untraced_ns": [took for took, _ in figures["untraced"]],
        "ns": [took for took, _ in figures[way]],
        "ratios": ratios,
        "median_ratio": median,
        "processor_ratios": processor,
        "median_processor_ratio": processor_median,
    }


def page(results: list[dict[str, Any]], arguments: argparse.Namespace) -> str:
    """The results as a page of Markdown."""
    ways_shown = list(dict.fromkeys(line["way"] for line in results))
    asked = f"--rounds {arguments.rounds} --scale {arguments.scale} --write"
    machine = f"{os.cpu_count()} shared cores ({platform.machine()})"
    head = f"""# What recording costs, mode by mode

Written by `python benchmarks/matrix.py {asked}`, {datetime.now(UTC):%d %B %Y}, on {machine}. The
load of the last 15 minutes was {os.getloadavg()[2]:.1f},
that of the benchmark included (1 to 2): the more beyond that, the more others disturbed it.

Each cell: the time, as a multiple of the untraced run of the same round (medians of the rounds; in
parentheses the smallest and the largest), and the processor time of the programs and of strace or
perf, likewise. Where times lie far apart, a disk, sleeping waiters or other load decided, and
processor time says more. Programs in C are recorded with locks only, those in Python with
statements and lines. A program's start is in its processor time, and where no database is used, in
its time: in a run of a small scale it weighs much.

"""
    rows = [["what", "untraced", *ways_shown]]
    for name in dict.fromkeys(line["case"] for line in results):
        of_case = {line["way"]: line for line in results if line["case"] == name}
        untraced = statistics.median(next(iter(of_case.values()))["untraced_ns"])
        rows.append([name, f"{untraced / 1e6:,.0f} ms", *(_cell(of_case[w]) for w in ways_shown)])
    rows.insert(1, ["---"] * len(rows[0]))
    return head + "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _cell(line: dict[str, Any]) -> str:
    low, high = min(line["ratios"]), max(line["ratios"])
    return (
        f"{line['median_ratio']:.2f}, processor {line['median_processor_ratio']:.2f} "
        f"({low:.2f} to {high:.2f})"
    )


def main() -> None:
    """Run the rounds, print, save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="of the work, 1: a second each")
    parser.add_argument("--only", nargs="*", default=[], help="cases with all of these words")
    parser.add_argument("--without", nargs="*", default=[], help="ways to leave out")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a page of Markdown too")
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
    if arguments.write:
        arguments.write.write_text(page(results, arguments), encoding="utf-8")


if __name__ == "__main__":
    main()
