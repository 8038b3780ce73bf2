"""Locks of open file descriptions (F_OFD_SETLK) that a forked child shares with its parent.

Such a lock is nobody's alone: a forked child has the description open too, either may give the lock
back, and it lasts until the last copy of the descriptor is closed (fcntl(2), "Open file
description locks"). A child's close of an inherited descriptor is not recorded, so what becomes of
the lock once the parent has closed its own copy is known only where the child gives it back itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lockscope.interpret.execs import succeeded
from lockscope.interpret.model import BY_DESCRIPTION, EVENT, Cause, Events, Verdict
from lockscope.trace.kinds import Kind, Mode
from lockscope.trace.model import Gap, Trace

__all__ = ["with_shared_descriptions"]


@dataclass(frozen=True, slots=True)
class _Share:
    """A lock that was held when its holder forked; `child` is -1 for one that recorded nothing."""

    parent: int
    child: int
    pid: int
    resource: int
    mode: int
    at_ns: int


def with_shared_descriptions(
    events: Events, trace: Trace, titles: tuple[str, ...]
) -> tuple[Events, tuple[Gap, ...]]:
    """Pass locks of open file descriptions on to forked children, as far as that can be told.

    Args:
        events: `EVENT` rows by `began_ns`.
        trace: The trace.
        titles: Those of the resources.

    Returns:
        The events, and a gap for each lock of which the end is not known.
    """
    described = (events["flags"] & BY_DESCRIPTION) != 0
    if not described.any():
        return events, ()
    story = _Story(events, np.flatnonzero(described), trace)
    added: list[tuple[object, ...]] = []
    unknown: dict[tuple[int, int], list[_Share]] = {}
    for share in story.shares():
        row, release_ns = story.passed_on(share)
        if row is not None:
            added.append(row)
        elif release_ns:
            unknown.setdefault((release_ns, share.parent), []).append(share)
    gaps = tuple(
        _gap(trace, titles, at_ns, shares) for (at_ns, _), shares in sorted(unknown.items())
    )
    together: Events = np.concatenate([events, np.array(added, EVENT)])
    return together.take(np.argsort(together["began_ns"], kind="stable")), gaps


class _Story:
    """The changes of each process's lock on each resource that had one of a description."""

    def __init__(self, events: Events, described: NDArray[np.int64], trace: Trace) -> None:
        self._events = events
        self._trace = trace
        pairs = {
            (int(row["process"]), int(row["resource"]))
            for row in np.unique(events[described][["process", "resource"]])
        }
        changes = np.flatnonzero(events["verdict"] != Verdict.DENIED)
        process, resource = events["process"][changes], events["resource"][changes]
        self._rows = {pair: changes[(process == pair[0]) & (resource == pair[1])] for pair in pairs}
        self._execs = succeeded(trace)

    def shares(self) -> Iterator[_Share]:
        """The locks that were held at each fork."""
        for fork in self._trace.of_kind(Kind.FORK):
            parent, pid = int(fork["process"]), int(fork["start"])
            at_ns = int(fork["began_ns"])
            for (process, resource), rows in self._rows.items():
                before = rows[self._events["ended_ns"][rows] <= at_ns]
                held = process == parent and len(before) > 0
                last = self._events[before[-1]] if held else None
                if last is not None and last["mode"] and last["flags"] & BY_DESCRIPTION:
                    child = self._place(pid, at_ns)
                    yield _Share(parent, child, pid, resource, int(last["mode"]), at_ns)

    def _place(self, pid: int, at_ns: int) -> int:
        living = (
            place
            for place, process in enumerate(self._trace.processes)
            if process.pid == pid and (not process.ended_ns or process.ended_ns >= at_ns)
        )
        return next(living, -1)

    def passed_on(self, share: _Share) -> tuple[tuple[object, ...] | None, int]:
        """What to add to the events for a share, or else when the parent let go of a lock that may
        have lasted; 0 where it did not.
        """
        given_back = self._child_unlock(share)
        release = self._release(share)
        if given_back and (release is None or given_back < int(release["began_ns"])):
            return (_row(given_back, share.parent, share, Verdict.RELEASED), 0)
        if release is None or release["cause"] == Cause.UNLOCK:
            return None, 0
        at_ns = int(release["began_ns"])
        if given_back:
            return (_row(at_ns, share.child, share, Verdict.GRANTED), 0)
        return None, 0 if self._is_gone(share.child, at_ns) else at_ns

    def _release(self, share: _Share) -> np.void | None:
        rows = self._rows[share.parent, share.resource]
        later = rows[self._events["began_ns"][rows] >= share.at_ns]
        ends = later[self._events["mode"][later] == Mode.UNLOCK]
        return self._events[ends[0]] if len(ends) else None

    def _child_unlock(self, share: _Share) -> int:
        """When a child gave back a lock that it had not taken itself; 0 never."""
        rows = self._rows.get((share.child, share.resource), np.zeros(0, np.int64))
        own = rows[(self._events["flags"][rows] & BY_DESCRIPTION) != 0]
        first = self._events[own[0]] if len(own) else None
        if first is None or first["mode"] != Mode.UNLOCK:
            return 0
        return int(first["began_ns"])

    def _is_gone(self, child: int, at_ns: int) -> bool:
        """Whether a child had ended, or become another program, before."""
        if child < 0:
            return False
        ended_ns = self._trace.processes[child].ended_ns
        mine = self._execs[self._execs["process"] == child]
        return bool(0 < ended_ns <= at_ns) or bool((mine["began_ns"] <= at_ns).any())


def _row(at_ns: int, process: int, share: _Share, verdict: Verdict) -> tuple[object, ...]:
    mode = share.mode if verdict is Verdict.GRANTED else Mode.UNLOCK
    flags = BY_DESCRIPTION
    return (at_ns, at_ns, process, 0, share.resource, 0, mode, verdict, Cause.UNLOCK, flags)


def _gap(trace: Trace, titles: tuple[str, ...], at_ns: int, shares: list[_Share]) -> Gap:
    parent = trace.processes[shares[0].parent].pid
    children = sorted({share.pid for share in shares})
    locks = ", ".join(sorted({titles[share.resource] for share in shares}))
    who = f"pid{'s' if len(children) > 1 else ''} {', '.join(map(str, children))}"
    at_s = max(0, at_ns - trace.manifest.started_ns) / 1e9
    return Gap(
        parent,
        at_ns,
        f"pid {parent} let go of {locks} at {at_s:.3f} s, but shares the open file description "
        f"with {who}, which it had forked: the lock lasts until they close it too, and when they "
        "did is not recorded.",
    )
