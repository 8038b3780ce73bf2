"""Looking at a database until something changes, or until it is free."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lockscope.live.files import find_files
from lockscope.live.model import Snapshot
from lockscope.live.sight import LockSight
from lockscope.live.snapshot import look, who

__all__ = ["changes", "until_free"]

_SHORTEST_S: Final = 0.02
_LONGEST_S: Final = 0.25
"""Between two looks at a lock that is waited for: each costs about 0.2 ms of a processor."""


def changes(path: Path, every_s: float, *, stack: bool = True) -> Iterator[Snapshot]:
    """What is seen first, and then whenever who write-locks it, how, or who waits has changed.

    Args:
        path: The database.
        every_s: Seconds between two looks; what is shorter may be missed.
        stack: Whether to read Python stacks.

    Raises:
        DatabaseError: The database is none, or is gone.
        CaptureError: The kernel's list of locks cannot be read here.
    """
    told: object = None
    while True:
        snapshot = who(path, stack=stack)
        if _essence(snapshot) != told:
            told = _essence(snapshot)
            yield snapshot
        time.sleep(every_s)


def until_free(path: Path, seconds: float | None, *, stack: bool = True) -> Snapshot:
    """Wait until a database is not write-locked.

    Ctrl-C ends it early, with what is seen then.

    Args:
        path: The database.
        seconds: For how long at most; None for ever.
        stack: Whether to read Python stacks.

    Returns:
        The moment when it was free: where several wait, another may be faster. Or who write-locks
        it when the time has passed.
    """
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    is_over = False
    while not is_over:
        with LockSight(find_files(path)) as sight:
            is_over = not _is_free_by(sight, deadline)
            snapshot = look(sight, stack=stack and is_over)
        if not snapshot.write_locked:
            break
    return snapshot


def _is_free_by(sight: LockSight, deadline: float) -> bool:
    pause_s = _SHORTEST_S
    try:
        while any(one.writes for one in sight.held()):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(pause_s, left_s))
            pause_s = min(_LONGEST_S, pause_s * 1.5)
    except KeyboardInterrupt:
        return False
    return True


def _essence(snapshot: Snapshot) -> object:
    """What a change of is worth a line: readers of a WAL come and go all the time."""
    blocking = [holder for holder in snapshot.holders if holder.writes or holder.blocks]
    return (
        snapshot.write_locked,
        [(one.process.pid, one.process.state == "stopped", one.locks) for one in blocking],
        {waiter.process.pid for waiter in snapshot.waiters},
    )
