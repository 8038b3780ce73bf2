"""`lockscope trace --database`: what running programs do with a database, by sampling alone."""

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Final

from lockscope.capture.proc_locks import LockList
from lockscope.capture.recording import Recording, dated_folder
from lockscope.cli.durations import duration
from lockscope.engines.address import sqlite_path
from lockscope.engines.sqlite import MAGIC
from lockscope.errors import EXIT_OK, CaptureError, UsageError

__all__ = ["attach", "configure"]

_DEFAULT_RATE: Final = 1000
_HIGHEST_RATE: Final = 10_000
"""A sample takes 50 µs and more: nothing is gained beyond."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--database",
        dest="databases",
        metavar="PATH",
        type=sqlite_path,
        action="append",
        default=[],
        help="instead of a command: sample who locks this database; may be given several times",
    )
    parser.add_argument(
        "--for",
        dest="seconds",
        metavar="TIME",
        type=duration,
        help="with --database: for how long, 30s, 5m (default: until Ctrl-C)",
    )
    parser.add_argument(
        "--rate",
        metavar="N",
        type=_rate,
        help=f"with --database: samples a second (default {_DEFAULT_RATE})",
    )


def attach(arguments: argparse.Namespace) -> int:
    """Sample the databases and report; gives the exit status.

    Raises:
        UsageError: A command was given too.
        CaptureError: A database is none, or the kernel's list of locks cannot be had.
    """
    if arguments.command:
        raise UsageError("lockscope trace takes a command or --database, not both.")
    if arguments.literals or arguments.max_size is not None:
        raise UsageError("--literals and --max-size do not go with --database: no SQL is seen.")
    for path in arguments.databases:
        _check(path)
    with LockList() as locks:
        locks.check()
    folder = arguments.folder or dated_folder(arguments.databases[0].stem or "database")
    recording = Recording(
        folder,
        ("lockscope", *sys.argv[1:]),
        databases=tuple(arguments.databases),
        every_ns=1_000_000_000 // (arguments.rate or _DEFAULT_RATE),
    )
    try:
        _sample(recording, arguments.seconds)
    except OSError as error:
        raise CaptureError(
            f"{folder} cannot be finished: {error.strerror}; what was seen lies there."
        ) from error
    if not arguments.quiet:
        from lockscope.report.terminal import print_report  # noqa: PLC0415 - numpy, rich: late

        print_report(recording.folder, sys.stderr)
    return EXIT_OK


def _check(path: Path) -> None:
    try:
        is_file = path.is_file()
        exists = path.exists()
    except OSError as error:
        raise CaptureError(f"{path} cannot be looked at: {error.strerror}.", path=path) from error
    if not exists:
        raise CaptureError(
            f"{path} does not exist: give the path of a database that programs use.", path=path
        )
    if not is_file:
        raise CaptureError(f"{path} is not a file: give the path of a database.", path=path)
    _doubt(path)


def _doubt(path: Path) -> None:
    """Say so where a file does not begin as a database does. Encrypted ones do not either."""
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except OSError:  # to watch a database one need not be allowed to read it
        return
    if head and head != MAGIC:
        print(
            f"lockscope: {path} does not begin as an SQLite database does: it is encrypted, or "
            "another file. It is watched all the same.",
            file=sys.stderr,
        )


def _sample(recording: Recording, seconds: float | None) -> None:
    """Sample until the time is over or somebody asks for the end."""
    enough = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        enough.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        with recording:
            enough.wait(seconds)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
