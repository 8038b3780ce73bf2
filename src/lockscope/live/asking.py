"""Who holds what, asked from within a program that may use the database itself.

A child process looks. In the program's own process the database must not be opened: when that
descriptor is closed, the kernel drops all the locks which the process has on the file (`fcntl(2)`),
and its open transaction is no longer protected. A child's descriptors do not touch them.
"""

import pickle
import sys
from pathlib import Path
from typing import Final

from lockscope.capture.child import run_child
from lockscope.engines.address import sqlite_path
from lockscope.errors import CaptureError, LockscopeError
from lockscope.live.model import Snapshot

__all__ = ["answer", "ask"]

_PATIENCE_S: Final = 30.0
"""Beyond the sampling. A look takes a tenth of a second, more on a machine that swaps."""
_PROGRAM: Final = (
    "from lockscope.live.asking import answer; "
    "answer(sys.argv[1], float(sys.argv[2]), sys.argv[3] == 'stack')"
)


def ask(address: str, *, seconds: float = 0.0, stack: bool = True) -> Snapshot:
    """Have a child process look.

    Args:
        address: Path or `sqlite:///` URL of the database.
        seconds: For how long to sample before.
        stack: Whether to read Python stacks.

    Raises:
        LockscopeError: It cannot be told, as the child found; CaptureError where there is no child.
    """
    how = "stack" if stack else "no-stack"
    try:
        told = run_child(_PROGRAM, address, str(seconds), how, patience_s=_PATIENCE_S + seconds)
        found: object = pickle.loads(told)
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        raise CaptureError(
            f"A child process that was to look who locks {address} told nothing ({error}): run "
            "`lockscope who` beside the program.",
            path=Path(address),
        ) from error
    if isinstance(found, LockscopeError):
        raise found
    assert isinstance(found, Snapshot)
    return found


def answer(address: str, seconds: float, stack: bool) -> None:  # noqa: FBT001 - not called by hand
    """Look, as the child, and write what was found to standard output."""
    from lockscope.live.snapshot import who  # noqa: PLC0415 - the asking process does not need it

    found: object
    try:
        found = who(sqlite_path(address), seconds=seconds, stack=stack)
    except LockscopeError as error:
        found = error
    sys.stdout.buffer.write(pickle.dumps(found))
