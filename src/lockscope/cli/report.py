"""`lockscope report`: what a trace shows."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Final

from lockscope.cli.answer_file import answer_file
from lockscope.errors import EXIT_FINDINGS, EXIT_OK
from lockscope.report.cause_page import cause_page

__all__ = ["DESCRIPTION", "configure", "run"]

DESCRIPTION: Final = """\
Say what a trace shows: who held which lock, who waited for whom and how it ended, and why.

exit status: 0 every wait was granted · 1 a request was refused, timed out or cut off, or there is a
deadlock or another finding · 2 wrong usage · 3 the trace could not be read
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "trace",
        nargs="?",
        type=Path,
        metavar="TRACE",
        help="a trace's or a run's folder (default: the newest trace below the working folder)",
    )
    parser.add_argument(
        "--format",
        choices=("terminal", "json"),
        default="terminal",
        help="shape of the answer (default: terminal)",
    )
    parser.add_argument(
        "--json",
        dest="format",
        action="store_const",
        const="json",
        help="the same as --format json",
    )
    parser.add_argument(
        "--explain",
        metavar="CAUSE",
        help="print the page of a cause, such as C12, and read no trace",
    )
    parser.add_argument(
        "-v",
        "--all",
        dest="everything",
        action="store_true",
        help="of each finding every occurrence, step by step (terminal; JSON has them always)",
    )
    parser.add_argument(
        "-o", dest="file", metavar="FILE", type=Path, help="write the answer to a file"
    )


def run(arguments: argparse.Namespace) -> int:
    """Report on a trace, or print the page of a cause."""
    if arguments.explain is not None:
        print(cause_page(arguments.explain), end="")
        return EXIT_OK
    # Imported here: numpy and rich would make `--help` three times as slow.
    from lockscope.report import json, terminal  # noqa: PLC0415
    from lockscope.report.progress_bar import analysed, steps  # noqa: PLC0415
    from lockscope.trace.reader import newest_trace  # noqa: PLC0415

    trace, analysis = analysed(arguments.trace or newest_trace(Path.cwd()))
    told = partial(terminal.render, everything=arguments.everything)
    render = json.render if arguments.format == "json" else told
    if arguments.file is None:
        render(trace, analysis, sys.stdout)
    else:
        with answer_file(arguments.file) as file, steps() as step:
            step.begin("writing")
            render(trace, analysis, file)
    return EXIT_FINDINGS if analysis.has_findings else EXIT_OK
