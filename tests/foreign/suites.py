"""The test suites of database packages, untraced and traced: the same counts, test by test.

    python tests/foreign/suites.py [--room DIR] [--json FILE] [PACKAGE ...]

Downloads each package's own source archive, with its tests, into DIR, from PyPI or, where that one
has no tests, from its repository, and an environment to run them in. Exit status 1 where a test
ends otherwise when it is traced, in three runs of it.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

__all__ = ["SUITES", "Result", "Suite", "run_suite"]

LOCKSCOPE: Final = (sys.executable, "-m", "lockscope", "trace", "-q")
AGAIN: Final = 2
"""How often a test that ended otherwise is run again each way before it counts."""


@dataclass(frozen=True)
class Suite:
    """A package's tests: what pytest is told to run, and what they need beside the package."""

    package: str
    tests: tuple[str, ...]
    needs: tuple[str, ...] = ()
    repository: tuple[str, str] | None = None
    """An address and a tag: of a package whose archive on PyPI has no tests."""


SUITES: Final = (
    Suite("sqlite-utils", ("tests",), ("hypothesis",)),
    Suite("huey", ("huey/tests",)),
    Suite("diskcache", tuple(f"tests/test_{n}.py" for n in ("core", "deque", "index", "recipes"))),
    Suite("SQLAlchemy", ("test/dialect/sqlite", "test/engine", "test/orm/test_session.py")),
    Suite("aiosqlite", ("aiosqlite/tests/smoke.py",)),
    Suite("sqlitedict", ("tests",)),
    Suite(
        "persist-queue",
        tuple(
            f"persistqueue/tests/test_{name}.py" for name in ("sqlqueue", "sqlackqueue", "pdict")
        ),
        ("msgpack", "cbor2"),
    ),
    Suite("dataset", ("test",), ("setuptools<80",)),
    Suite(
        "peewee",
        tuple(
            f"tests/{name}.py"
            for name in (
                "db_tests",
                "fields",
                "manytomany",
                "models",
                "model_sql",
                "prefetch_tests",
                "results",
                "schema",
                "sql",
                "transactions",
                "with_related_tests",
                "dataset",
                "hybrid",
                "kv",
                "migrations",
                "pool",
                "reflection",
                "shortcuts",
                "signals",
                "sqlite",
                "sqlite_changelog",
                "sqlite_helpers",
                "sqlite_udf",
                "sqliteq",
            )
        ),
        repository=("https://github.com/coleifer/peewee", "4.3.0"),
    ),
)


@dataclass(frozen=True)
class Result:
    """How a suite ended each way: counts, and the tests that ended otherwise."""

    package: str
    version: str
    untraced: dict[str, int]
    traced: dict[str, int]
    flaky: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)


def _call(*words: object, cwd: Path | None = None) -> None:
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _python(room: Path) -> Path:
    """The interpreter of an environment of its own for the suites."""
    python = room / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(room / "venv", with_pip=True)
        _call(python, "-m", "pip", "install", "-q", "pytest", "pytest-timeout")
    return python


def _source(suite: Suite, room: Path, python: Path) -> Path:
    """The package's source archive, with its tests; the package itself installed from it."""
    folder = room / suite.package
    if not folder.exists():
        folder.mkdir()
        pip = [python, "-m", "pip"]
        if suite.repository:
            _archive(suite.package, *suite.repository, folder)
        else:
            only = ["--no-deps", "--no-binary", suite.package, suite.package]
            _call(*pip, "download", "-q", "-d", folder, *only)
        [archive] = folder.glob("*.tar.gz")
        _call(*pip, "install", "-q", archive, *suite.needs)
    [archive] = folder.glob("*.tar.gz")
    return archive


def _archive(package: str, address: str, tag: str, folder: Path) -> None:
    """What PyPI would have: the sources of a tag as an archive."""
    _call("git", "clone", "-q", "--depth", 1, "--branch", tag, address, folder / "clone")
    name = f"{package}-{tag}"
    words = ["--prefix", f"{name}/", "-o", folder / f"{name}.tar.gz", tag]
    _call("git", "-C", folder / "clone", "archive", *words)


def _outcome(case: ET.Element) -> str:
    for child in case:
        if child.tag in {"failure", "error", "skipped"}:
            return {"failure": "failed", "error": "error"}.get(child.tag, "skipped")
    return "passed"


def _outcomes(report: Path) -> dict[str, str]:
    """How each test ended; one that has two ends (a teardown that fails) has the worse."""
    ends: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        ends[name] = max(ends.get(name, ""), _outcome(case), key=_badness)
    return ends


def _badness(outcome: str) -> int:
    return ("", "passed", "skipped", "failed", "error").index(outcome)


def _play(suite: Suite, archive: Path, python: Path, *, traced: bool) -> dict[str, str]:
    """Run the suite once from a fresh copy of its sources; how each of its tests ended."""
    with tempfile.TemporaryDirectory(prefix="lockscope-suite-") as name:
        place = Path(name)
        with tarfile.open(archive) as tar:
            tar.extractall(place, filter="data")
        [sources] = place.iterdir()
        report = place / "report.xml"
        words = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "120"]
        words += [f"--junitxml={report}", *suite.tests]
        head = [*LOCKSCOPE, "-o", place / "t.trace", "--"] if traced else []
        subprocess.run(
            [str(word) for word in (*head, *words)],
            cwd=sources,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "80"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if not report.exists():
            sys.exit(f"{suite.package}: its tests did not run (traced: {traced})")
        ends = _outcomes(report)
        if "passed" not in ends.values():  # equal to nothing is no evidence
            sys.exit(f"{suite.package}: none of its tests passed (traced: {traced})")
        return ends


def run_suite(suite: Suite, room: Path) -> Result:
    """Run a suite both ways, and again where a test ended otherwise."""
    python = _python(room)
    archive = _source(suite, room, python)
    ways = [[_play(suite, archive, python, traced=traced)] for traced in (False, True)]
    differing = _differing(*ways)
    disputed = sorted(differing)
    for _ in range(AGAIN):
        if not differing:
            break
        for traced, runs in enumerate(ways):
            runs.append(_play(suite, archive, python, traced=bool(traced)))
        differing = _differing(*ways)
    return Result(
        package=suite.package,
        version=archive.name.removesuffix(".tar.gz").rsplit("-", 1)[1],
        untraced=dict(sorted(Counter(ways[0][-1].values()).items())),
        traced=dict(sorted(Counter(ways[1][-1].values()).items())),
        flaky=[name for name in disputed if name not in differing],
        differing=sorted(differing),
    )


def _differing(untraced: Sequence[dict[str, str]], traced: Sequence[dict[str, str]]) -> set[str]:
    """The tests of which no end is the same both ways."""
    names = untraced[0].keys() | traced[0].keys()
    return {
        name
        for name in names
        if not {run.get(name) for run in untraced} & {run.get(name) for run in traced}
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE")
    parser.add_argument("--room", type=Path, help="kept for the next time (default: a new one)")
    parser.add_argument("--json", type=Path, help="write the results here")
    arguments = parser.parse_args()
    wanted = [s for s in SUITES if not arguments.packages or s.package in arguments.packages]
    with tempfile.TemporaryDirectory(prefix="lockscope-suites-") as fresh:
        room = (arguments.room or Path(fresh)).resolve()
        room.mkdir(parents=True, exist_ok=True)
        results = []
        for suite in wanted:
            results.append(run_suite(suite, room))
            print(json.dumps(asdict(results[-1])), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(result) for result in results], indent=1))
    return 1 if any(result.differing for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
