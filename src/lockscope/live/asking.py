"""Who holds what, asked from within a program that may use the database itself.

A child process looks. In the program's own process the database must not be opened: when that
descriptor is closed, the kernel drops all the locks which the process has on the file (`fcntl(2)`),
and its open transaction is no longer protected. A child's descriptors do not touch them.
"""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from lockscope.engines.address import sqlite_path
from lockscope.errors import CaptureError, LockscopeError
from lockscope.live.model import Snapshot

__all__ = ["answer", "ask"]

_PATIENCE_S: Final = 30.0
"""Beyond the sampling. A look takes a tenth of a second, more on a machine that swaps."""
_HOME: Final = str(Path(__file__).parents[2])
_PROGRAM: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from lockscope.live.asking import answer; "
    "answer(sys.argv[2], float(sys.argv[3]), sys.argv[4] == 'stack')"
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
    command = [_interpreter(), "-I", "-c", _PROGRAM, _HOME, address, str(seconds), how]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment(),
            timeout=_PATIENCE_S + seconds,
            check=False,
        )
        found: object = pickle.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, EOFError, pickle.UnpicklingError) as error:
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


def _interpreter() -> str:
    """A Python to run the child: a program that embeds Python names itself in `sys.executable`."""
    candidates = (
        sys.executable,
        f"{sys.prefix}/bin/python3",
        f"{sys.base_prefix}/bin/python3",
        shutil.which("python3"),
    )
    for candidate in candidates:
        if candidate and Path(candidate).name.startswith("py") and os.access(candidate, os.X_OK):
            return candidate
    raise CaptureError(
        "There is no Python interpreter to look who locks the database: run `lockscope who` "
        "beside the program."
    )


def _environment() -> dict[str, str]:
    """The program's own, without a recorder of lockscope's: the child is none of its work."""
    environment = dict(os.environ)
    if "liblockscope" in environment.get("LD_PRELOAD", ""):
        del environment["LD_PRELOAD"]
    return environment
