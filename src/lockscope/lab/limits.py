"""Descriptors: hundreds of workers need more than a process is given by default."""

import contextlib
import sys
from typing import Final

__all__ = ["allow_descriptors"]

_EACH: Final = 4
"""The pipe and the pidfd of one worker; later its segments and texts, as the trace is read."""
_OTHERS: Final = 64


def allow_descriptors(processes: int) -> None:
    """Raise the soft limit of open descriptors as far as so many workers need, getrlimit(2).

    Where the hard limit forbids it nothing is done, and the start of the worker that is one too
    many says so.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - absent on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = processes * _EACH + _OTHERS
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
