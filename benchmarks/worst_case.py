"""What recording costs where it costs most: small WAL transactions with `synchronous=OFF`.

    python benchmarks/worst_case.py [--rounds 9] [--transactions 200000]

Side by side, in turns, so that a noisy machine disturbs all alike: a C program untraced, traced and
under `strace -f -e trace=fcntl`, and a Python program untraced and traced with statements and
lines. Prints microseconds a transaction and, for each round, the ratio to the untraced run of the
same round: median, smallest and largest. Saves them as JSON.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lockscope.capture.recording import Recording

HERE = Path(__file__).parent
PROGRAMS = HERE / "native_programs"
STRACE_SHARE = 20
"""strace runs this many times fewer transactions: it is that much slower."""


@dataclass(frozen=True)
class Variant:
    """One way to run a program; `of` names the untraced one that it is compared with."""

    name: str
    of: str
    command: tuple[str, ...]
    recorded: bool = False
    share: int = 1
    budget: float | None = None


def variants(folder: Path) -> list[Variant]:
    """What is compared; the C program is compiled into the folder."""
    native = folder / "wal_transactions"
    source = PROGRAMS / "wal_transactions.c"
    subprocess.run(["cc", "-O2", "-o", native, source, "-lsqlite3"], check=True)
    c, python = (str(native),), (sys.executable, str(PROGRAMS / "python_transactions.py"))
    chosen = [
        Variant("C untraced", "C untraced", c),
        Variant("C traced", "C untraced", c, recorded=True, budget=1.05),
        Variant("Python untraced", "Python untraced", python),
        Variant("Python traced", "Python untraced", python, recorded=True, budget=1.25),
    ]
    if shutil.which("strace"):
        strace = ("strace", "-f", "-e", "trace=fcntl", "-o", os.devnull, *c)
        chosen.append(Variant("C under strace", "C untraced", strace, share=STRACE_SHARE))
    return chosen


def run(variant: Variant, transactions: int, room: Path) -> float:
    """Nanoseconds a transaction."""
    with tempfile.TemporaryDirectory(dir=room) as folder:
        count = transactions // variant.share
        command = [*variant.command, str(Path(folder) / "b.db"), str(count)]
        if not variant.recorded:
            return timed(command, os.environ) / count
        with Recording(Path(folder) / "b.trace", tuple(command)) as recording:
            return timed(command, recording.environment(os.environ)) / count


def timed(command: list[str], environment: Mapping[str, str]) -> int:
    """The nanoseconds that a program says its loop took."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


def main() -> None:
    """Run the rounds, print, save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--transactions", type=int, default=200_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        chosen = variants(Path(room))
        figures: dict[str, list[float]] = {variant.name: [] for variant in chosen}
        for number in range(arguments.rounds):
            turn = number % len(chosen)
            for variant in chosen[turn:] + chosen[:turn]:
                took = run(variant, arguments.transactions, Path(room))
                figures[variant.name].append(took)
    results = [summary(variant, figures) for variant in chosen]
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "worst_case.json").write_text(json.dumps(results, indent=1) + "\n")


def summary(variant: Variant, figures: Mapping[str, list[float]]) -> dict[str, object]:
    """One line of the answer, printed; and as data."""
    ratios = [a / b for a, b in zip(figures[variant.name], figures[variant.of], strict=True)]
    ratio = statistics.median(ratios)
    line = f"{variant.name:<16} {statistics.median(figures[variant.name]) / 1e3:8.2f} us"
    if variant.name != variant.of:
        line += f"   {ratio:6.3f} x  ({min(ratios):.3f} to {max(ratios):.3f})"
    if variant.budget is not None:
        verdict = "met" if ratio <= variant.budget else "NOT MET"
        line += f"   budget {variant.budget}: {verdict}"
    print(line)
    return {
        "name": variant.name,
        "ns_per_transaction": figures[variant.name],
        "ratios": ratios,
        "median_ratio": ratio,
        "budget": variant.budget,
    }


if __name__ == "__main__":
    main()
