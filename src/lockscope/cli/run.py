"""`lockscope run`: a fresh database, many processes, every lock recorded, and what became of it."""

import argparse
import contextlib
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, Self

from lockscope.cli import zoo
from lockscope.cli.durations import duration
from lockscope.errors import EXIT_FINDINGS, EXIT_OK, UsageError

if TYPE_CHECKING:
    from lockscope.lab.events import Event
    from lockscope.lab.folder import RunFolder
    from lockscope.lab.plan import Plan
    from lockscope.lab.result import Experiment
    from lockscope.lab.workload import Workload
    from lockscope.remedies import Remedy
    from lockscope.report.progress import Progress

__all__ = ["DESCRIPTION", "SUMMARY", "configure", "run"]

SUMMARY: Final = "run an experiment: many processes on one database, every lock recorded"
DESCRIPTION: Final = """\
Run an experiment: a fresh database, many processes, every lock recorded. It ends with what is in
the table, what is missing or lost, and who held the lock meanwhile.

examples:
  lockscope run                             six pets, no hold: all arrive
  lockscope run --hold 3                    each stays in its transaction for 3 s: watch it break
  lockscope run --hold 3 --remedy short     the same, the slow part before the transaction
  lockscope run shop:Orders --processes 8   your own workload: class Orders in shop.py
  lockscope run zoo/C12                     one cause of "database is locked", made and explained

remedies:
  stock       what sqlite3.connect does if nothing is said
  timeout     a timeout that outlasts all: at least processes x records x hold + 60 s
  wal         a write-ahead log
  immediate   BEGIN IMMEDIATE
  textbook    a write-ahead log, BEGIN IMMEDIATE, and always 5 s
  short       the slow part before the transaction

exit status:
  0  every record was committed and is there
  1  a record failed, is missing, lost, unknown, unexpected or there twice
  2  wrong usage
  3  could not run
"""
_MOST_PROCESSES: Final = 10_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add(
        "workload",
        nargs="?",
        default="pets",
        help="pets (default), package.module:Class of your own, or zoo/C12 (see --list)",
    )
    add("--processes", type=_count, default=3, metavar="N", help="workers (default 3)")
    add("--records", type=_count, default=2, metavar="N", help="transactions of each (default 2)")
    add(
        "--hold",
        type=duration,
        default=0.0,
        metavar="TIME",
        help="slow part of each transaction (default 0)",
    )
    add(
        "--think",
        type=duration,
        default=0.0,
        metavar="TIME",
        help="pause before each transaction (default 0)",
    )
    add(
        "--remedy",
        default="stock",
        metavar="NAME",
        help="how the database is shared, see above (default stock)",
    )
    add(
        "--db",
        metavar="URL",
        help="the database: a path or sqlite:///path (default: in the run's folder)",
    )
    add(
        "--timeout",
        type=duration,
        default=5.0,
        metavar="TIME",
        help="SQLite's busy timeout (default 5s)",
    )
    add(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of the workload's random numbers (default 0)",
    )
    add(
        "--patience",
        type=duration,
        metavar="TIME",
        help="kill a worker that is silent so long (default 10s + hold + think + 2 x timeout)",
    )
    add(
        "-o",
        dest="folder",
        type=Path,
        metavar="DIR",
        help="folder (default lockscope-runs/DATE-TIME-WORKLOAD)",
    )
    add(
        "--json", action="store_true", help="one JSON document, lockscope.run/1, on standard output"
    )
    zoo.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the experiment and tell what came of it.

    Returns:
        0 if every record was committed and is there, else 1.

    Raises:
        UsageError: There is no such workload or remedy.
        UnableError: It could not be run.
    """
    if arguments.listed:
        return zoo.list_exhibits()
    if arguments.workload.lower().startswith(zoo.ZOO):
        return zoo.show_exhibit(arguments)
    if arguments.cured:
        raise UsageError("--cured goes with the zoo: lockscope run zoo/C12 --cured.")
    # Imported here: `lockscope --help` must not pay for them.
    from lockscope.lab.catalogue import load_workload  # noqa: PLC0415
    from lockscope.lab.folder import RunFolder  # noqa: PLC0415

    with _CtrlC() as ctrl_c:
        remedy = _remedy(arguments.remedy)
        workload = load_workload(arguments.workload)
        database = _database(arguments.db)
        folder = RunFolder.make(arguments.workload, arguments.folder)
        plan = _plan(arguments, remedy, database or folder.database)
        try:
            experiment = _experiment(plan, workload, folder, ctrl_c)
            _tell(experiment, folder, as_json=arguments.json)
        except KeyboardInterrupt:
            return _broken_off(folder)
    return EXIT_OK if experiment.clean else EXIT_FINDINGS


class _CtrlC:
    """Ctrl-C while the experiment runs: the first asks it to stop, the second breaks off."""

    def __init__(self) -> None:
        self.pressed = False
        self._before: signal.Handlers | object = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]

    def asked(self) -> bool:
        """Whether it was pressed."""
        return self.pressed

    def _press(self, _signal: int, _frame: FrameType | None) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True


def _experiment(
    plan: "Plan", workload: "Workload", folder: "RunFolder", ctrl_c: _CtrlC
) -> "Experiment":
    from lockscope.lab.experiment import run_experiment  # noqa: PLC0415

    command = ("lockscope", *sys.argv[1:])
    with _Display(plan) as display:
        return run_experiment(
            plan, workload, folder, command=command, watch=display.hear, stop=ctrl_c.asked
        )


class _Display:
    """The live display, where there is a terminal."""

    def __init__(self, plan: "Plan") -> None:
        self._plan = plan
        self._started = 0
        self._stack = contextlib.ExitStack()
        self._progress: Progress | None = None
        self._live = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def hear(self, event: "Event") -> None:
        """Show an event. While the last workers get ready, import what the answer will need."""
        self._started += event.state == "started"
        if event.state == "started" and self._started == self._plan.processes:
            threading.Thread(target=_load, name="lockscope-load", daemon=True).start()
        elif self._live and self._progress is None and event.state == "ready":
            from lockscope.report.progress import Progress  # noqa: PLC0415

            self._progress = self._stack.enter_context(Progress(self._plan))
        if self._progress is not None:
            self._progress.hear(event)


def _broken_off(folder: "RunFolder") -> int:
    kept = f"what was recorded lies in {folder.path}" if folder.path.exists() else "nothing is left"
    told = f"lockscope: Broken off by a second Ctrl-C: the workers were ended, {kept}."
    print(told, file=sys.stderr)
    return EXIT_FINDINGS


def _load() -> None:
    import lockscope.lab.judgement  # noqa: PLC0415
    import lockscope.report.experiment  # noqa: F401, PLC0415


def _tell(experiment: "Experiment", folder: "RunFolder", *, as_json: bool) -> None:
    from lockscope.report.experiment import render, write_report  # noqa: PLC0415
    from lockscope.report.experiment_document import experiment_document  # noqa: PLC0415

    document = experiment_document(experiment)
    problem = write_report(experiment, document, folder)
    if problem:
        print(f"lockscope: {problem}", file=sys.stderr)
    if as_json:
        print(document)
    else:
        render(experiment, sys.stdout)


def _plan(arguments: argparse.Namespace, remedy: "Remedy", database: Path) -> "Plan":
    from lockscope.lab.plan import Plan, default_patience_s  # noqa: PLC0415

    holds_s = arguments.processes * arguments.records * arguments.hold
    timeout_s = remedy.timeout_s(arguments.timeout, holds_s)
    patience_s = arguments.patience
    if patience_s is None:
        patience_s = default_patience_s(arguments.hold, arguments.think, timeout_s)
    return Plan(
        workload=arguments.workload,
        processes=arguments.processes,
        records=arguments.records,
        hold_s=arguments.hold,
        think_s=arguments.think,
        remedy=remedy,
        database=str(database.absolute()),
        timeout_s=timeout_s,
        seed=arguments.seed,
        patience_s=patience_s,
    )


def _remedy(name: str) -> "Remedy":
    from lockscope.remedies import REMEDIES  # noqa: PLC0415

    for remedy in REMEDIES:
        if remedy.name == name:
            return remedy
    import difflib  # noqa: PLC0415 - only a mistaken name needs it

    names = [remedy.name for remedy in REMEDIES]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"There is no remedy {name!r}: {hint}Known are {', '.join(names)}.")


def _database(address: str | None) -> Path | None:
    from lockscope.engines.address import sqlite_path  # noqa: PLC0415

    return None if address is None else sqlite_path(address)


def _count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 1 <= count <= _MOST_PROCESSES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of them: write a whole number from 1 to {_MOST_PROCESSES}"
        )
    return count
