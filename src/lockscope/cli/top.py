"""`lockscope top`: who holds the locks of databases, live on a full screen."""

import argparse
import os
import sys
from typing import Final

from lockscope.cli.durations import duration
from lockscope.engines.address import sqlite_path
from lockscope.errors import EXIT_OK, EXIT_UNABLE, CaptureError, UsageError

__all__ = ["DESCRIPTION", "configure", "run"]

DESCRIPTION: Final = """\
Show who holds the locks of SQLite databases, live on a full screen: a lane of the last minute for
each process, and what each of them holds now. `?` tells the keys. Takes no lock, waits for nobody,
and leaves the databases as they are.

exit status: 0 after quitting · 2 wrong usage · 3 nothing can be shown
"""
_DEFAULT_RATE: Final = 10
_HIGHEST_RATE: Final = 100


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "databases", metavar="DATABASE", nargs="+", help="path or sqlite:/// URL of a database"
    )
    parser.add_argument(
        "--rate",
        metavar="N",
        type=_rate,
        default=_DEFAULT_RATE,
        help=f"samples of the locks a second (default {_DEFAULT_RATE}, at most {_HIGHEST_RATE})",
    )
    parser.add_argument(
        "--for",
        dest="seconds",
        metavar="TIME",
        type=duration,
        help="end after so long, 30s, 5m (default: until q)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Show, until told to end."""
    paths = tuple(sqlite_path(address) for address in arguments.databases)
    _check_terminal()
    from lockscope.live.watch import Watch  # noqa: PLC0415 - as below

    try:
        from lockscope.report.top.app import TopApp  # noqa: PLC0415 - a third of a second
    except ModuleNotFoundError as error:
        raise CaptureError(
            f"lockscope top needs a package that is missing, {error.name}: install it with "
            "`pip install textual`, or use `lockscope who --watch`."
        ) from error
    with Watch(paths, arguments.rate) as watch:
        app = TopApp(watch, arguments.seconds)
        # Without the mouse: the terminal's own selection, to copy a pid, would be gone.
        app.run(mouse=False)
    return EXIT_UNABLE if app.return_code else EXIT_OK


def _check_terminal() -> None:
    """See that there is a full screen to show something on.

    Raises:
        UsageError: There is none.
    """
    instead = "use `lockscope who --watch`, which prints lines"
    # Textual draws on standard error: redirected, the screen would go into a file.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError(f"lockscope top needs a terminal to show a full screen: {instead}.")
    if os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError(f"This terminal (TERM=dumb) cannot show a full screen: {instead}.")


def _rate(text: str) -> int:
    try:
        rate = int(text)
    except ValueError:
        rate = 0
    if not 1 <= rate <= _HIGHEST_RATE:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a rate: write a whole number from 1 to {_HIGHEST_RATE}, in samples a "
            "second"
        )
    return rate
