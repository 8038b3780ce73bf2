"""Looking up holds: which one a process had on a resource at a moment."""

import numpy as np
from numpy.typing import NDArray

from lockscope.interpret.model import Events

__all__ = ["HoldIndex"]


class HoldIndex:
    """Finds the hold of a process on a resource at a moment.

    A process has at most one mode on a resource at a time, so its holds there follow one another.

    Args:
        holds: `HOLD` rows.
    """

    def __init__(self, holds: Events) -> None:
        self.holds = holds
        key = holds["process"].astype(np.uint64) << np.uint64(32) | holds["resource"]
        self._order = np.lexsort((holds["began_ns"], key))
        self._groups, starts = np.unique(key[self._order], return_index=True)
        self._bounds = np.append(starts, len(holds))

    def at(self, process: int, resource: int, moments: NDArray[np.uint64]) -> NDArray[np.int64]:
        """For each moment, the place of the hold that lasted then; -1 for none."""
        group = np.searchsorted(self._groups, key := np.uint64(process << 32 | resource))
        if group == len(self._groups) or self._groups[group] != key:
            return np.full(len(moments), -1, np.int64)
        places = self._order[self._bounds[group] : self._bounds[group + 1]]
        latest = np.searchsorted(self.holds["began_ns"][places], moments, "right") - 1
        found = places[np.maximum(latest, 0)]
        lasts = (latest >= 0) & (self.holds["ended_ns"][found] >= moments)
        return np.where(lasts, found, -1)
