"""`lockscope check`: is this machine fit for it, and is this database healthy."""

import argparse
import sys
from pathlib import Path
from typing import Final

from lockscope.cli.answer_file import answer_file
from lockscope.engines.address import sqlite_path
from lockscope.errors import EXIT_FINDINGS, EXIT_OK, UsageError

__all__ = ["DESCRIPTION", "configure", "run"]

DESCRIPTION: Final = """\
Say what this machine, this Python and this SQLite are, and try whether they are fit for many
processes on one database: is a lock of one process seen by another in the working folder, and can
locks and statements be recorded here.

With a DATABASE, say first whether it is healthy: its journal and its log, who keeps the log from
being written back, its file system, its permissions, who has it open with which SQLite and which of
that version's locking bugs are known. It is looked at from outside: no lock is taken, nothing is
changed. --integrity alone reads all of it, under a read lock.

exit status: 0 everything is fine · 1 something is not, or cannot be told · 2 wrong usage · 3 the
database could not be read, or the answer not be written
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "database", metavar="DATABASE", nargs="?", help="path or sqlite:/// URL of a database"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document, lockscope.check/1")
    parser.add_argument(
        "-o", dest="file", metavar="FILE", type=Path, help="write the answer to a file"
    )
    parser.add_argument(
        "--integrity",
        action="store_true",
        help="with a database: read all of it (PRAGMA integrity_check); commits or checkpoints "
        "wait meanwhile",
    )


def run(arguments: argparse.Namespace) -> int:
    """Look and answer."""
    if arguments.integrity and arguments.database is None:
        raise UsageError("--integrity reads a database: give its path too.")
    # Imported here: rich and psutil would make `--help` twice as slow.
    from lockscope.live.environment import look  # noqa: PLC0415
    from lockscope.live.health import examine  # noqa: PLC0415
    from lockscope.report.environment import render_json, render_table  # noqa: PLC0415

    health = None
    if arguments.database is not None:
        health = examine(sqlite_path(arguments.database), integrity=arguments.integrity)
    environment = look(Path.cwd())
    render = render_json if arguments.json else render_table
    if arguments.file is None:
        render(environment, health, sys.stdout)
    else:
        with answer_file(arguments.file) as file:
            render(environment, health, file)
    is_fine = environment.is_fit and (health is None or health.is_fine)
    return EXIT_OK if is_fine else EXIT_FINDINGS
