"""What can go wrong, as a tree, and the exit status of each branch.

    LockscopeError                 something that the person at the keyboard can act on
    ├── UsageError                 2  the command line asks for something that cannot be meant
    └── UnableError                3  it was understood, but the world does not allow it
        ├── CaptureError              a program could not be started or recorded
        ├── TraceError                a trace could not be read
        └── DatabaseError             a database could not be opened, made or read

Every message is one sentence or two: what happened, where, and what to do about it. `cli.main`
alone turns an error into an exit status.
"""

from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "EXIT_FINDINGS",
    "EXIT_OK",
    "EXIT_UNABLE",
    "EXIT_USAGE",
    "CaptureError",
    "DatabaseError",
    "LockscopeError",
    "TraceError",
    "UnableError",
    "UsageError",
]

EXIT_OK: Final = 0
"""Nothing wrong was found."""
EXIT_FINDINGS: Final = 1
"""Findings: a transaction failed, a record is missing or lost, a lock was held."""
EXIT_USAGE: Final = 2
"""Wrong usage: the command line itself must be changed."""
EXIT_UNABLE: Final = 3
"""Could not run, capture or read."""


class LockscopeError(Exception):
    """The root: an error that is told to the user as a sentence, never as a traceback."""

    exit_status: ClassVar[int] = EXIT_UNABLE


class UsageError(LockscopeError):
    """The command line asks for something that cannot be meant."""

    exit_status: ClassVar[int] = EXIT_USAGE


class UnableError(LockscopeError):
    """The request was understood, but the world does not allow it.

    Args:
        message: What happened and what to do.
        path: The file or folder that it is about, if there is one.
    """

    def __init__(self, message: str, *, path: "Path | None" = None) -> None:
        super().__init__(message)
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        # Without this an error with a keyword loses its path when it crosses a process boundary.
        return _rebuilt, (type(self), str(self), self.path)


def _rebuilt(kind: type[UnableError], message: str, path: "Path | None") -> UnableError:
    return kind(message, path=path)


class CaptureError(UnableError):
    """A program could not be started or recorded."""


class TraceError(UnableError):
    """A trace is absent, damaged, foreign, or newer than this lockscope."""


class DatabaseError(UnableError):
    """A database could not be opened, made or read."""
