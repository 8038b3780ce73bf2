"""When a process may have held a resource, and when it certainly did, by its recorded events."""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.interpret.model import Cause, Events, Verdict
from lockscope.trace.kinds import Mode
from lockscope.trace.rows import pairs, runs, stable_order

__all__ = ["Coverage", "longest_gap"]

Times = NDArray[np.int64]

_FOREVER: Final = 1 << 62


class Coverage:
    """The spans in which recorded locks lasted, by process and resource.

    Args:
        events: `EVENT` rows by `began_ns`.
        teardown_ns: How long a lock may outlast the recorded end of its process or program.
    """

    def __init__(self, events: Events, teardown_ns: int) -> None:
        # Columns, not rows: a row of ten million events is copied field by field.
        kept = np.flatnonzero(events["verdict"] != Verdict.DENIED)
        key = pairs(events["process"], events["resource"])[kept]
        order = stable_order(key)
        kept, self._bounds = kept[order], runs(key[order])
        first = events.take(kept[self._bounds[:-1]])
        groups = zip(first["process"].tolist(), first["resource"].tolist(), strict=True)
        self._groups = {place << 32 | resource: at for at, (place, resource) in enumerate(groups)}
        self._began = events["began_ns"][kept].view(np.int64)
        self._ended = events["ended_ns"][kept].view(np.int64)
        self._held = events["mode"][kept] != Mode.UNLOCK
        self._cause = events["cause"][kept]
        self._late = np.isin(self._cause, (Cause.EXEC, Cause.EXIT, Cause.KILLED))
        self._teardown_ns = teardown_ns

    def possible(self, places: Iterable[int], resource: int) -> tuple[Times, Times]:
        """Ascending spans in which any of some processes may have held a resource.

        Returns:
            Their beginnings, and the latest end so far at each.
        """
        parts = [
            self._possible(self._groups[place << 32 | resource])
            for place in places
            if place << 32 | resource in self._groups
        ]
        if not parts:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        began, ended = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.argsort(began, kind="stable")
        return began[order], np.maximum.accumulate(ended[order])

    def _possible(self, group: int) -> tuple[Times, Times]:
        part = slice(self._bounds[group], self._bounds[group + 1])
        held = np.flatnonzero(self._held[part])
        late_ns = self._late[part] * self._teardown_ns
        ends = np.append(self._ended[part] + late_ns, _FOREVER)
        return self._began[part][held], ends[held + 1]

    def certain(self, shortest_ns: int) -> list[tuple[int, int, int, int, int]]:
        """The spans of some length in which a resource was certainly held: process, resource,
        beginning, end, and the `Cause` of the end.
        """
        spans = []
        for key, group in self._groups.items():
            part = slice(self._bounds[group], self._bounds[group + 1])
            began, ended = self._ended[part][:-1], self._began[part][1:]
            long = np.flatnonzero(self._held[part][:-1] & (ended - began > shortest_ns))
            spans += [
                (key >> 32, key & 0xFFFFFFFF, int(began[at]), int(ended[at]), int(cause))
                for at, cause in zip(long, self._cause[part][1:][long], strict=True)
            ]
        return spans


def longest_gap(began: Times, ended: Times, first_ns: int, last_ns: int) -> int:
    """The longest time within a span that no other span covers.

    Args:
        began: Beginnings of the others, ascending.
        ended: Their ends, each at least as late as the one before.
        first_ns: Where the span begins.
        last_ns: Where it ends.
    """
    low = int(np.searchsorted(ended, first_ns, "left"))
    high = int(np.searchsorted(began, last_ns, "right"))
    if low >= high:
        return last_ns - first_ns
    # From each end to the next beginning, the edges of the span included.
    ends = np.concatenate([[first_ns], ended[low:high]])
    begins = np.concatenate([began[low:high], [last_ns]])
    return max(0, int((begins - ends).max()))
