"""Holders that do not go on: stopped by a signal, or asleep where no signal reaches them."""

from itertools import islice
from typing import Final

from lockscope.capture.holders import state_of

__all__ = ["HolderStates"]

_LOOKED_AT: Final = 16
"""Processes that are looked at in one sample, in turn where there are more: a look takes some ten
microseconds, and in WAL mode every process that has the database open holds a lock."""


class HolderStates:
    """The states of holders, from sample to sample."""

    def __init__(self) -> None:
        self._told: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._turn = 0

    def changed(self, pids: set[int]) -> list[tuple[int, int]]:
        """The holders whose state is another than the one told last, and that state: `T`, `D`, or 0
        of one that goes on, or holds nothing any more.

        Every writer sleeps on its disk now and then: a state counts when two looks in a row show
        it.

        Args:
            pids: The holders of this moment.
        """
        changes = []
        for pid in self._chosen(pids):
            state = state_of(pid) if pid in pids else 0
            known = self._told.get(pid, 0)
            if state != known and (not state or self._seen.get(pid) == state):
                self._told[pid] = state
                changes.append((pid, state))
            self._seen[pid] = state
        self._forget(pids)
        return changes

    def _chosen(self, pids: set[int]) -> list[int]:
        halted = [pid for pid, state in self._told.items() if state]
        others = sorted(pids.difference(halted))
        first = self._turn % max(1, len(others))
        chosen = list(islice([*others[first:], *others[:first]], _LOOKED_AT))
        self._turn = first + len(chosen) if len(others) > _LOOKED_AT else 0
        return halted + chosen

    def _forget(self, pids: set[int]) -> None:
        for pid in [pid for pid in self._seen if pid not in pids]:
            del self._seen[pid]
            self._told.pop(pid, None)
