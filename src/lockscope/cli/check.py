"""`lockscope check`: is this machine fit for it."""

import argparse
import sys
from pathlib import Path
from typing import Final

from lockscope.errors import EXIT_FINDINGS, EXIT_OK, UnableError

__all__ = ["DESCRIPTION", "configure", "run"]

DESCRIPTION: Final = """\
Say what this machine, this Python and this SQLite are, and try whether they are fit for many
processes on one database: is a lock of one process seen by another in the working folder, and can
locks and statements be recorded here.

exit status: 0 everything is fine · 1 something is not, or cannot be told · 2 wrong usage · 3 the
answer could not be written
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="one JSON document, lockscope.check/1")
    parser.add_argument(
        "-o", dest="file", metavar="FILE", type=Path, help="write the answer to a file"
    )


def run(arguments: argparse.Namespace) -> int:
    """Look and answer."""
    # Imported here: rich and psutil would make `--help` twice as slow.
    from lockscope.live.environment import look  # noqa: PLC0415
    from lockscope.report.environment import render_json, render_table  # noqa: PLC0415

    environment = look(Path.cwd())
    render = render_json if arguments.json else render_table
    if arguments.file is None:
        render(environment, sys.stdout)
    else:
        try:
            with arguments.file.open("w", encoding="utf-8") as file:
                render(environment, file)
        except OSError as error:
            raise UnableError(
                f"{arguments.file} cannot be written: {error.strerror}. Name another file with -o."
            ) from error
    return EXIT_OK if environment.is_fit else EXIT_FINDINGS
