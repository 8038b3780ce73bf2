"""`lockscope who`: who holds a database's locks at this moment."""

import _thread
import argparse
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, Final

from lockscope.cli.durations import duration
from lockscope.engines.address import sqlite_path
from lockscope.errors import EXIT_FINDINGS, EXIT_OK, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lockscope.live.model import Snapshot

__all__ = ["DESCRIPTION", "configure", "run"]

DESCRIPTION: Final = """\
Say who holds the locks of an SQLite database at this moment, doing what, and who waits. Takes no
lock, waits for nobody, and leaves the database as it is.

exit status: 0 not write-locked · 1 write-locked · 2 wrong usage · 3 could not be told
"""
_EVERY_S: Final = 0.5
_LEAST_S: Final = 0.05
"""A look takes some milliseconds of a processor."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("database", metavar="DATABASE", help="path or sqlite:/// URL of a database")
    parser.add_argument("--json", action="store_true", help="one JSON document, lockscope.who/1")
    parser.add_argument(
        "--for",
        dest="seconds",
        metavar="TIME",
        type=duration,
        help="sample for so long before: since when locks are held, and who holds them in passing",
    )
    parser.add_argument(
        "--watch", action="store_true", help="go on, with a line for each change, until Ctrl-C"
    )
    parser.add_argument(
        "--every",
        metavar="TIME",
        type=duration,
        help=f"with --watch: how often to look (default {_EVERY_S:g}s)",
    )
    parser.add_argument(
        "--until-free",
        action="store_true",
        help="wait until it is not write-locked: 0 as soon as it is, 1 when --timeout has passed",
    )
    parser.add_argument(
        "--timeout",
        metavar="TIME",
        type=duration,
        help="with --until-free: for how long at most (default: for ever)",
    )
    parser.add_argument(
        "--no-stack", action="store_true", help="do not read the Python stacks of those in the way"
    )


def run(arguments: argparse.Namespace) -> int:
    """Look and answer."""
    _check(arguments)
    path = sqlite_path(arguments.database)
    if arguments.watch:
        return _watch(path, arguments)
    _thread.start_new_thread(_wake_list, ())
    from lockscope.live.snapshot import who  # noqa: PLC0415 - while the kernel gets ready
    from lockscope.report.who import render  # noqa: PLC0415

    stack = not arguments.no_stack
    if arguments.until_free:
        from lockscope.live.watching import until_free  # noqa: PLC0415 - as below

        snapshot = until_free(path, arguments.timeout, stack=stack)
    else:
        snapshot = who(path, seconds=arguments.seconds or 0.0, stack=stack)
    if arguments.json:
        _write_json(snapshot, indent=1)
    else:
        render(snapshot, sys.stdout)
    return EXIT_FINDINGS if snapshot.write_locked else EXIT_OK


def _wake_list() -> None:
    """Read the kernel's list once, and throw it away.

    After a pause the first reader waits about 10 ms for all processors (`fs/locks.c`, locks_start:
    percpu_down_write waits for an RCU grace period), the next within that time does not. So it is
    waited for while the rest of lockscope is imported.
    """
    with contextlib.suppress(OSError), open("/proc/locks", "rb", buffering=0) as locks:  # noqa: PTH123
        locks.read(1)


def _check(arguments: argparse.Namespace) -> None:
    """See that the options go together.

    Raises:
        UsageError: They do not.
    """
    ways = [
        name
        for name, given in (
            ("--for", arguments.seconds is not None),
            ("--watch", arguments.watch),
            ("--until-free", arguments.until_free),
        )
        if given
    ]
    if len(ways) > 1:
        raise UsageError(f"{' and '.join(ways)} do not go together: give one of them.")
    if arguments.every is not None and not arguments.watch:
        raise UsageError("--every goes with --watch alone: it says how often to look.")
    if arguments.timeout is not None and not arguments.until_free:
        raise UsageError("--timeout goes with --until-free alone: it says how long to wait.")


def _watch(path: "Path", arguments: argparse.Namespace) -> int:
    """Write a line for each change until Ctrl-C; the status is that of what was seen last."""
    from lockscope.live.watching import changes  # noqa: PLC0415 - a single look does not pay for it
    from lockscope.report.who import render_line  # noqa: PLC0415

    every_s = _EVERY_S if arguments.every is None else max(arguments.every, _LEAST_S)
    is_locked = False
    with contextlib.suppress(KeyboardInterrupt):
        for snapshot in changes(path, every_s, stack=False):
            is_locked = snapshot.write_locked
            with _uninterrupted():
                if arguments.json:
                    _write_json(snapshot, indent=None)
                else:
                    render_line(snapshot, sys.stdout)
                sys.stdout.flush()
    return EXIT_FINDINGS if is_locked else EXIT_OK


@contextlib.contextmanager
def _uninterrupted() -> "Iterator[None]":
    """Ctrl-C waits until a line is written: between the system call and the emptying of the buffer
    it would have the line written once more at the end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _write_json(snapshot: "Snapshot", *, indent: int | None) -> None:
    from lockscope.report.who_document import render_json  # noqa: PLC0415 - json is not free

    render_json(snapshot, sys.stdout, indent=indent)
