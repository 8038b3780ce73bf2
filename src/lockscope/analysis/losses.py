"""Lost locks: a process closed a descriptor of a database while it still held locks on it.

SQLite gives its locks back before it closes the database, and closes a `-shm` with nothing but the
lock that marks it as attached. What a close takes beyond that, it takes from under SQLite.
"""

from dataclasses import dataclass

import numpy as np

from lockscope.analysis.model import Analysis
from lockscope.interpret.model import Cause
from lockscope.locks.sqlite import Slot

__all__ = ["Loss", "find_losses"]


@dataclass(frozen=True, slots=True)
class Loss:
    """One close that took locks away.

    Attributes:
        pid: The process that lost them.
        at_ns: When.
        database: Path of the database.
        resources: What was lost.
        origin: Where in the program's code the descriptor was closed, `module+0xoffset`.
        line: At which line of Python, `path:line`, where it was one.
        statement: What had taken the first of the locks.
        source: At which line.
    """

    pid: int
    at_ns: int
    database: str
    resources: tuple[str, ...]
    origin: str | None
    line: str | None
    statement: str | None
    source: str | None


def find_losses(analysis: Analysis) -> tuple[Loss, ...]:
    """The losses of a trace, in order of time."""
    source, holds = analysis.source, analysis.holds
    lost: dict[tuple[int, int, int], list[int]] = {}
    for hold in np.flatnonzero(holds["cause"] == Cause.CLOSE).tolist():
        resource = source.resources[int(holds["resource"][hold])]
        key = (int(holds["ended_ns"][hold]), int(holds["process"][hold]), resource.database)
        lost.setdefault(key, []).append(hold)
    return tuple(
        _loss(analysis, key, lost[key], closure)
        for closure in source.closures
        if (key := (int(closure["began_ns"]), int(closure["process"]), int(closure["database"])))
        in lost
        and _is_loss(analysis, lost[key], closure)
    )


def _is_loss(analysis: Analysis, holds: list[int], closure: np.void) -> bool:
    resources = analysis.holds["resource"][holds].tolist()
    slots = {analysis.source.resources[resource].slot for resource in resources}
    if closure["another"]:
        return True
    # The VFS unix-excl keeps its process's lock until it closes the file (`os_unix.c`, unixClose).
    by_sqlite = "sqlite" in analysis.source.texts[int(closure["origin"])]
    return slots != {Slot.WAL_DMS} and not (by_sqlite and slots == {Slot.SHARED})


def _loss(
    analysis: Analysis, key: tuple[int, int, int], holds: list[int], closure: np.void
) -> Loss:
    source = analysis.source
    context = source.contexts[int(analysis.holds["context"][holds[0]])]
    resources = analysis.holds["resource"][holds].tolist()
    return Loss(
        pid=source.processes[key[1]].pid,
        at_ns=key[0],
        database=source.databases[key[2]],
        resources=tuple(source.resources[resource].title for resource in resources),
        origin=source.texts[int(closure["origin"])] or None,
        line=source.contexts[int(closure["context"])].source or None,
        statement=context.statement or None,
        source=context.source or None,
    )
