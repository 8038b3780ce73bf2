"""`lockscope who`: who holds a database's locks at this moment."""

import argparse
import sys
from typing import Final

from lockscope.engines.address import sqlite_path
from lockscope.errors import EXIT_FINDINGS, EXIT_OK
from lockscope.live.snapshot import who
from lockscope.report.who import render

__all__ = ["DESCRIPTION", "configure", "run"]

DESCRIPTION: Final = """\
Say who holds the locks of an SQLite database at this moment, doing what, and who waits. Takes no
lock, waits for nobody, and leaves the database as it is.

exit status: 0 not write-locked · 1 write-locked · 2 wrong usage · 3 could not be told
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("database", metavar="DATABASE", help="path or sqlite:/// URL of a database")
    parser.add_argument("--json", action="store_true", help="one JSON document, lockscope.who/1")
    parser.add_argument(
        "--no-stack", action="store_true", help="do not read the Python stacks of those in the way"
    )


def run(arguments: argparse.Namespace) -> int:
    """Look and answer."""
    snapshot = who(sqlite_path(arguments.database), stack=not arguments.no_stack)
    if arguments.json:
        from lockscope.report.who_document import render_json  # noqa: PLC0415 - json is not free

        render_json(snapshot, sys.stdout)
    else:
        render(snapshot, sys.stdout)
    return EXIT_FINDINGS if snapshot.write_locked else EXIT_OK
