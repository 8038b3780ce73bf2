"""Every foreign program and every suite, traced and untraced, as the tables of a page.

python tests/foreign/table.py [--room DIR] > tables.md
python tests/foreign/table.py [--room DIR] --write docs/compatibility.md
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "native"))

from comparison import MODES, compare
from foreign_programs import PROGRAMS, MissingProgramError, Program
from suites import SUITES, run_suite

START: Final = "<!-- measured: tests/foreign/table.py -->"
END: Final = "<!-- end -->"


def program_rows(programs: Iterable[Program]) -> Iterable[str]:
    """A row for each program that is here; what is missing is named."""
    yield "| program | version | calls by strace | by lockscope | record for record the same |"
    yield "|---|---|---|---|---|"
    for program in programs:
        try:
            yield _row(program)
        except MissingProgramError as missing:
            yield f"| {program.name} | not tried: {missing} | | | |"


def _row(program: Program) -> str:
    version = program.version()
    seen, recorded, same = [], [], True
    for mode in MODES:
        with tempfile.TemporaryDirectory(prefix="lockscope-foreign-") as room:
            comparison = compare(program, mode, Path(room))
        counts = comparison.counts
        seen.append(str(counts[0]))
        recorded.append(str(counts[1]))
        same = same and comparison.seen == comparison.recorded
    verdict = "yes" if same else "**no**"
    return (
        f"| {program.name} | {version} | {' + '.join(seen)} | {' + '.join(recorded)} | {verdict} |"
    )


def suite_rows(room: Path) -> Iterable[str]:
    """A row for each package's own tests."""
    yield "| package | version | untraced | traced | flaky | ended otherwise |"
    yield "|---|---|---|---|---|---|"
    for suite in SUITES:
        result = run_suite(suite, room)
        names = [", ".join(tests) or "none" for tests in (result.flaky, result.differing)]
        counts = [_counts(result.untraced), _counts(result.traced)]
        yield f"| {result.package} | {result.version} | {' | '.join([*counts, *names])} |"


def _counts(ends: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {end}" for end, number in ends.items())


def tables(room: Path) -> str:
    rows = [*program_rows(PROGRAMS), "", *suite_rows(room)]
    return "\n".join(rows) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--room", type=Path, help="of the suites, kept for the next time")
    parser.add_argument("--write", type=Path, help="a page with the two marks to write between")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lockscope-suites-") as fresh:
        room = (arguments.room or Path(fresh)).resolve()
        room.mkdir(parents=True, exist_ok=True)
        measured = tables(room)
    if arguments.write is None:
        sys.stdout.write(measured)
        return 0
    page = arguments.write.read_text()
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    arguments.write.write_text(f"{before}{START}\n\n{measured}\n{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
