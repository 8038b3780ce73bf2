"""The confusion matrix: what is found of each cause that was staged, and of its cured form.

    python tests/zoo/confusion_matrix.py [--runs 20] [--only C12] [--load | --quiet] [--write FILE]

Every exhibit is played ill and cured, so many times on an otherwise idle machine and as many times
beside two processes that never rest. A row is what was staged, a column what was found, a number
how often. Exit status 1 if anything lies off the diagonal: a cause that was missed, a second one
that was claimed, or anything at all in a cured form.
"""

import argparse
import contextlib
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lockscope.analysis import analyse
from lockscope.errors import LockscopeError
from lockscope.interpret import interpret
from lockscope.lab.zoo import EXHIBITS, Exhibit
from lockscope.lab.zoo.showing import lacking, show
from lockscope.trace.reader import read_trace

BUSY: Final = (sys.executable, "-c", "while True: pass")
BUSY_PROCESSES: Final = 2
NOTHING: Final = "none"
BROKE_OFF: Final = "broke off"


@dataclass
class Row:
    """What was found of one exhibit.

    Attributes:
        exhibit: What was staged.
        ill: How often each cause was found in it.
        cured: How often each was found in its cured form.
        wrong: A line for each run that lies off the diagonal.
    """

    exhibit: Exhibit
    ill: Counter[str] = field(default_factory=Counter)
    cured: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Play:
    """One run of an exhibit."""

    number: int
    loaded: bool
    cured: bool

    @property
    def name(self) -> str:
        """As a person reads it: `cured, loaded, 3`."""
        form, machine = "cured" if self.cured else "ill", "loaded" if self.loaded else "quiet"
        return f"{form}, {machine}, {self.number}"


def main() -> int:
    """Run all of it; gives the exit status."""
    arguments = _arguments()
    rows = [Row(exhibit) for exhibit in EXHIBITS if is_wanted(exhibit, arguments.only)]
    shown = [row for row in rows if not lacking(row.exhibit)]
    loads = [
        loaded for loaded in (False, True) if not (arguments.quiet if loaded else arguments.load)
    ]
    done = Counter[bool]()
    for number in range(1, arguments.runs + 1):
        for loaded in loads:
            with busy(loaded):
                run(shown, number, arguments.keep, loaded=loaded)
            done[loaded] += 1
        if arguments.write:  # what was seen so far: all of it takes hours
            arguments.write.write_text(page(shown, done), encoding="utf-8")
    print("\n".join(table(shown, done.total())))
    tell_wrong(shown, [row for row in rows if row not in shown])
    return 1 if any(row.wrong for row in shown) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="of each form, with and without load")
    parser.add_argument("--only", default="", help="causes, or names as zoo/C12/django")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--load", action="store_true", help="only beside busy processes")
    only.add_argument("--quiet", action="store_true", help="only without them")
    parser.add_argument("--keep", type=Path, help="keep the traces that lie off the diagonal here")
    parser.add_argument("--write", type=Path, help="write the matrix as a page")
    return parser.parse_args()


def is_wanted(exhibit: Exhibit, only: str) -> bool:
    """Whether it is among those that were asked for."""
    words = [word.strip().lower() for word in only.split(",") if word.strip()]
    return not words or exhibit.cause.lower() in words or exhibit.name.lower() in words


@contextlib.contextmanager
def busy(loaded: bool) -> Iterator[None]:  # noqa: FBT001 - whether there is any load at all
    """Processes that never rest, for as long as it lasts."""
    processes = [subprocess.Popen(BUSY) for _ in range(BUSY_PROCESSES)] if loaded else []
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run(rows: Sequence[Row], number: int, keep: Path | None, *, loaded: bool) -> None:
    """Play each exhibit once in both forms."""
    plays = [(row, Play(number, loaded, cured)) for cured in (False, True) for row in rows]
    for place, (row, play) in enumerate(plays):
        if sys.stderr.isatty():
            left = f"{place + 1}/{len(plays)} {row.exhibit.name} {play.name}"
            print(f"\r\033[K{left}", end="", file=sys.stderr)
        judge(row, play, keep)
    begin = "\r\033[K" if sys.stderr.isatty() else ""
    print(f"{begin}round {number}, {'loaded' if loaded else 'quiet'}: done", file=sys.stderr)


def judge(row: Row, play: Play, keep: Path | None) -> None:
    """Play it once and count what was found."""
    with tempfile.TemporaryDirectory(prefix="lockscope-matrix-") as folder:
        trace = Path(folder, "exhibit.trace")
        found = found_in(row.exhibit, trace, cured=play.cured)
        (row.cured if play.cured else row.ill).update(found or (NOTHING,))
        if found == (() if play.cured else row.exhibit.finds):
            return
        row.wrong.append(f"{row.exhibit.name} ({play.name}): {', '.join(found) or 'nothing'}")
        if keep is not None and trace.exists():
            name = f"{row.exhibit.name}-{play.name}".replace("/", "-").replace(", ", "-")
            shutil.copytree(trace, keep / f"{name}.trace", dirs_exist_ok=True)


def found_in(exhibit: Exhibit, trace: Path, *, cured: bool) -> tuple[str, ...]:
    """The causes that are found in one run, in order."""
    try:
        show(exhibit, trace, cured=cured)
        findings = analyse(interpret(read_trace(trace))).findings
    except LockscopeError as error:
        print(f"\n{error}", file=sys.stderr)
        return (BROKE_OFF,)
    return tuple(sorted(finding.cause for finding in findings))


def table(rows: Sequence[Row], runs: int) -> list[str]:
    """The matrix as a table that is also Markdown."""
    seen = {cause for row in rows for cause in (*row.ill, *row.exhibit.finds)}
    causes = sorted(seen - {NOTHING, BROKE_OFF}) + sorted(seen & {NOTHING, BROKE_OFF})
    width = max((len(row.exhibit.name) for row in rows), default=6)
    head = ["staged".ljust(width), *causes, "cured: found"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [str(row.ill[cause] or "").rjust(len(cause)) for cause in causes]
        other = [f"{cause} {row.cured[cause]}" for cause in sorted(row.cured) if cause != NOTHING]
        cured = ", ".join(other) or f"{NOTHING} {row.cured[NOTHING]}"
        lines.append("| " + " | ".join([row.exhibit.name.ljust(width), *cells, cured]) + " |")
    right = sum(2 * runs - len(row.wrong) for row in rows)
    return [*lines, "", f"{right:,} of {2 * runs * len(rows):,} runs lie on the diagonal."]


def tell_wrong(rows: Sequence[Row], lacked: Sequence[Row]) -> None:
    """Name each run off the diagonal, and what could not be shown."""
    for row in rows:
        for line in row.wrong:
            print(f"off the diagonal: {line}", file=sys.stderr)
    for row in lacked:
        print(f"left out: {row.exhibit.name} needs {lacking(row.exhibit)}", file=sys.stderr)


def page(rows: Sequence[Row], done: Mapping[bool, int]) -> str:
    """The page of the documentation; `done` says how often each form was played, by load."""
    ways = " and ".join(
        f"{times} times " + ("beside two busy processes" if loaded else "without load")
        for loaded, times in done.items()
    )
    staged = (
        "Each exhibit of the zoo (`lockscope run --list`) makes one cause on purpose. Each was "
        f"played ill and cured, {ways}:\na row is what was staged, a column what was found, a "
        "number how often. The last column is what was found in the cured form."
    )
    when = (
        f"`python tests/zoo/confusion_matrix.py --runs {max(done.values())}` on "
        f"{datetime.now(UTC):%d %B %Y}: Linux, {os.cpu_count()} {platform.machine()} cores "
        "shared with other work, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}."
    )
    title = "# Which cause is found, and which is not"
    lines = [title, "", staged, "", when, "", *table(rows, sum(done.values())), ""]
    wrong = [f"- {line}" for row in rows for line in row.wrong]
    return "\n".join([*lines, *(["Off the diagonal:", "", *wrong, ""] if wrong else [])])


if __name__ == "__main__":
    sys.exit(main())
