"""The zoo on the command line: `lockscope run zoo/C12`, a part of the verb `run`."""

import argparse
import difflib
import sys
from pathlib import Path
from typing import Final

from lockscope.errors import EXIT_FINDINGS, EXIT_OK, UsageError

__all__ = ["ZOO", "configure", "list_exhibits", "show_exhibit"]

ZOO: Final = "zoo/"
"""What the name of an exhibit begins with."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--list", action="store_true", dest="listed", help="list the zoo: a line for each cause"
    )
    parser.add_argument(
        "--cured", action="store_true", help="of the zoo: play the cured form (zoo/C12 --cured)"
    )


def list_exhibits() -> int:
    """Print a line for each exhibit."""
    from lockscope.lab.zoo import EXHIBITS  # noqa: PLC0415 - the other workloads need none of it

    width = max(len(exhibit.name) for exhibit in EXHIBITS)
    for exhibit in EXHIBITS:
        print(f"{exhibit.name:<{width}}  {exhibit.line}")
    return EXIT_OK


def show_exhibit(arguments: argparse.Namespace) -> int:
    """Play one exhibit, record it and explain it; 1 if a cause was found, else 0."""
    from lockscope.lab.folder import RunFolder  # noqa: PLC0415
    from lockscope.lab.zoo import find_exhibit  # noqa: PLC0415
    from lockscope.lab.zoo.showing import show  # noqa: PLC0415

    exhibit = find_exhibit(arguments.workload)
    if exhibit is None:
        raise UsageError(_unknown(arguments.workload))
    folder = RunFolder.make(exhibit.name.replace("/", "-"), arguments.folder)
    try:
        show(exhibit, folder.trace, cured=arguments.cured)
    except BaseException:
        folder.empty()
        raise
    return _explain(folder.trace, as_json=arguments.json)


def _explain(folder: Path, *, as_json: bool) -> int:
    # Imported here: numpy and rich are slow, and the exhibit must not wait for them.
    from lockscope.analysis import analyse  # noqa: PLC0415
    from lockscope.interpret import interpret  # noqa: PLC0415
    from lockscope.report import json, terminal  # noqa: PLC0415
    from lockscope.trace.reader import read_trace  # noqa: PLC0415

    trace = read_trace(folder)
    analysis = analyse(interpret(trace))
    (json.render if as_json else terminal.render)(trace, analysis, sys.stdout)
    return EXIT_FINDINGS if analysis.findings else EXIT_OK


def _unknown(name: str) -> str:
    from lockscope.lab.zoo import EXHIBITS  # noqa: PLC0415

    names = [exhibit.name for exhibit in EXHIBITS]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"There is no {name}: {hint}`lockscope run --list` lists it."
