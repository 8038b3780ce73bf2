"""Keeping a trace below its greatest size: of processes that have ended, the oldest go first."""

import time
from collections import deque
from pathlib import Path
from typing import Final

from lockscope.trace.room import Room
from lockscope.trace.writer import process_start

__all__ = ["Pruning"]

_PROCESS_START: Final = slice(32, 40)
"""Where a segment's header has field 22 of `/proc/PID/stat` (`docs/trace-format.md`)."""


class Pruning:
    """Takes away the segments of ended processes once seven eighths of the room are used, until a
    quarter is free: so that there is room for the processes to come.

    Args:
        trace: The trace's folder.
        limit: Bytes that the whole trace may have.
    """

    def __init__(self, trace: Path, limit: int) -> None:
        self._trace = trace
        self._room = Room(trace, limit)
        self._ended: deque[tuple[int, int]] = deque()

    def ended(self, pid: int) -> None:
        """Take note that a process has ended."""
        self._ended.append((pid, time.monotonic_ns()))

    def keep(self) -> None:
        """Take away what must go."""
        state = self._room.state
        if state.used <= state.limit // 8 * 7:
            return
        while self._ended and self._room.state.used > state.limit // 4 * 3:
            self._remove(*self._ended.popleft())

    def _remove(self, pid: int, ended_ns: int) -> None:
        for segment in self._trace.glob(f"{pid}-*-native.segment"):
            if not _is_alive(segment, pid):
                text = segment.with_suffix(".text")
                freed = sum(_remove_file(path) for path in (segment, text))
                self._room.free(freed, ended_ns)


def _is_alive(segment: Path, pid: int) -> bool:
    # The pid may be another process's by now, whose segment must stay.
    try:
        with segment.open("rb") as file:
            start = int.from_bytes(file.read(_PROCESS_START.stop)[_PROCESS_START], "little")
    except OSError:
        return False
    return start == process_start(pid) != 0


def _remove_file(path: Path) -> int:
    try:
        size = path.stat().st_size
        path.unlink()
    except OSError:
        return 0
    return size
