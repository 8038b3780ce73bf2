"""Looking up spans of time: which one lasted at a moment."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lockscope.interpret.model import Events
from lockscope.trace.rows import pairs, runs, stable_order

__all__ = ["HoldIndex", "SpanIndex"]


@dataclass(frozen=True, slots=True)
class _Groups:
    """Spans by key, those of one key by time; the bounds of a key's are places in the columns."""

    keys: NDArray[np.uint64]
    bounds: NDArray[np.int64]
    places: NDArray[np.int64]
    began: NDArray[np.uint64]
    ended: NDArray[np.uint64]


class SpanIndex:
    """Finds the statement of a thread at a moment, or what else lasts.

    The spans of one key follow one another; where they do not, the one that began last counts. The
    index is built when it is first asked.

    Args:
        spans: Rows by `began_ns`.
        name: The field that makes up a key together with `process`: `resource` or `thread`.
    """

    def __init__(self, spans: Events, name: str) -> None:
        self.spans = spans
        self._name = name

    @cached_property
    def _groups(self) -> _Groups:
        process, other = self.spans["process"], self.spans[self._name]
        order = stable_order(pairs(process, other))
        key = _key(process[order], other[order])
        bounds = runs(key)
        return _Groups(
            key[bounds[:-1]],
            bounds,
            order,
            self.spans["began_ns"][order],
            self.spans["ended_ns"][order],
        )

    def of_process(self, process: int) -> NDArray[np.int64]:
        """The places of the spans of a process, by time."""
        groups = self._groups
        first, last = np.searchsorted(groups.keys, [_key(process, 0), _key(process + 1, 0)])
        return np.sort(groups.places[groups.bounds[first] : groups.bounds[last]])

    def enclosing(self, rows: Events, moment: str) -> NDArray[np.int64]:
        """For each row, the place of the span of its own key at its own moment; -1 for none.

        Args:
            rows: Rows with the fields of a key.
            moment: The field that holds the moment.
        """
        return self.at(rows["process"], rows[self._name], rows[moment])

    def at(
        self,
        process: NDArray[np.uint32] | int,
        other: NDArray[np.uint32] | int,
        moments: NDArray[np.uint64],
    ) -> NDArray[np.int64]:
        """For each moment, the place of the span that lasted then; -1 for none.

        Args:
            process: Whose: one for each moment, or one for all.
            other: The other half of the key, likewise.
            moments: Nanoseconds.
        """
        key = np.broadcast_to(_key(process, other), moments.shape)
        order = stable_order(key)
        bounds = runs(key[order])
        found = np.full(len(key), -1, np.int64)
        for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            rows = order[first:last]
            found[rows] = self._at(key[rows[0]], moments[rows])
        return found

    def _at(self, key: np.uint64, moments: NDArray[np.uint64]) -> NDArray[np.int64]:
        groups = self._groups
        group = int(np.searchsorted(groups.keys, key))
        if group == len(groups.keys) or groups.keys[group] != key:
            return np.full(len(moments), -1, np.int64)
        part = slice(groups.bounds[group], groups.bounds[group + 1])
        latest = np.searchsorted(groups.began[part], moments, "right") - 1
        lasts = (latest >= 0) & (groups.ended[part][latest] >= moments)
        return np.where(lasts, groups.places[part][latest], -1)


class HoldIndex(SpanIndex):
    """Finds the hold of a process on a resource at a moment.

    A process has at most one mode on a resource at a time, so its holds there follow one another.

    Args:
        holds: `HOLD` rows.
    """

    def __init__(self, holds: Events) -> None:
        super().__init__(holds, "resource")


def _key(
    process: NDArray[np.integer] | int, other: NDArray[np.integer] | int
) -> NDArray[np.uint64]:
    high: NDArray[np.uint64] = np.asarray(process, np.uint64) << np.uint64(32)
    return high | np.asarray(other, np.uint64)
