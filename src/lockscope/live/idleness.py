"""For how long a process has not run: the time between the scheduler's clock and its threads'.

`/proc/PID/task/TID/sched` (kernels built with CONFIG_SCHED_DEBUG, as distributions' are) has
`se.exec_start`: when the thread last ran, in ms of the clock of the processor where it did
(`kernel/sched/fair.c`, update_curr). That clock is read by running there and looking at one's own.
"""

import contextlib
import os
import time
from collections.abc import Iterable
from typing import Final

from lockscope.live.threads import Thread, read_text

__all__ = ["SchedulerClocks"]

_FIELD: Final = "se.exec_start"
_MOST_PROCESSORS: Final = 8
"""Each that is read costs a move of this thread, up to some ms where that processor is busy."""


class SchedulerClocks:
    """The scheduler's clock of each processor, read when it is first asked for.

    Every processor has its own: it leaves out the time of interrupts and of other virtual machines,
    so that two of them drift apart by hours in a year.
    """

    def __init__(self) -> None:
        self._read: dict[int, tuple[float | None, int]] = {}

    def idle_s(self, threads: Iterable[Thread]) -> float | None:
        """For how many seconds at least no thread of a process has run.

        Returns:
            None where the kernel does not tell it of each.
        """
        idle_ms = [self._idle_ms(thread) for thread in threads]
        known = [value for value in idle_ms if value is not None]
        return max(0.0, min(known)) / 1000 if known and len(known) == len(idle_ms) else None

    def _idle_ms(self, thread: Thread) -> float | None:
        # The processor's clock first: it then cannot be behind a thread that ran meanwhile.
        now_ms = self._now_ms(thread.processor)
        ran_ms = _exec_start_ms(f"/proc/{thread.pid}/task/{thread.tid}/sched")
        # 0: it is on its way to another processor (kernel/sched/fair.c, migrate_task_rq_fair).
        return now_ms - ran_ms if now_ms is not None and ran_ms else None

    def _now_ms(self, processor: int) -> float | None:
        if processor not in self._read:
            known = len(self._read) < _MOST_PROCESSORS
            clock_ms = _clock_ms(processor) if known else None
            self._read[processor] = clock_ms, time.monotonic_ns()
        clock_ms, read_ns = self._read[processor]
        return None if clock_ms is None else clock_ms + (time.monotonic_ns() - read_ns) / 1e6


def _clock_ms(processor: int) -> float | None:
    """The clock of a processor; None where this thread may not run there."""
    try:
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {processor})
    except (AttributeError, OSError):
        return None
    try:
        os.sched_yield()  # the kernel brings the running thread's time up to date
        return _exec_start_ms("/proc/thread-self/sched")
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, allowed)


def _exec_start_ms(path: str) -> float | None:
    try:
        lines = read_text(path).splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == _FIELD:
            with contextlib.suppress(ValueError):
                return float(value)
    return None
