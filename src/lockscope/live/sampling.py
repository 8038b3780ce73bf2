"""The locks of a database over a while: who holds them how long, and who held them in passing."""

import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from lockscope.live.holding import Held
from lockscope.live.model import Process, Sampling, Writer
from lockscope.live.processes import look_at
from lockscope.live.sight import LockSight

__all__ = ["Sampled", "sample"]

_EVERY_S: Final = 0.002
_SHARE: Final = 0.05
"""Of a processor, at most, where reading the kernel's list takes long."""


class Sampled(NamedTuple):
    """What was seen over a while.

    Attributes:
        sampling: Who write-locked it.
        since_s: For how many seconds each process was seen with what it holds at the end, by pid.
    """

    sampling: Sampling
    since_s: Mapping[int, float]


class _Tally:
    """One process that was seen to write-lock the database."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.seconds = 0.0
        self.longest_s = 0.0
        self.times = 0
        self.began: float | None = None

    def saw(self, now: float, before: float, *, writes: bool) -> None:
        if not writes:
            self.began = None
            return
        if self.began is None:
            self.began = now
            self.times += 1
        else:
            self.seconds += now - before
            self.longest_s = max(self.longest_s, now - self.began)

    def writer(self, seconds: float) -> Writer:
        share = min(1.0, self.seconds / seconds) if seconds else 0.0
        return Writer(self.process, self.times, self.seconds, self.longest_s, share)


def sample(sight: LockSight, seconds: float) -> Sampled:
    """Look again and again.

    Ctrl-C ends it early, with what was seen so far.

    Args:
        sight: The view.
        seconds: For how long.
    """
    began = before = time.monotonic()
    tallies: dict[int, _Tally] = {}
    since: dict[int, float] = {}
    samples = 0
    try:
        while time.monotonic() - began < seconds or not samples:
            now, cost = time.monotonic(), time.thread_time()
            held = sight.held()
            _count(held, tallies, since, (now, before))
            before, samples = now, samples + 1
            pause_s = max(_EVERY_S, (time.thread_time() - cost) / _SHARE)
            time.sleep(max(0.0, min(pause_s, began + seconds - time.monotonic())))
    except KeyboardInterrupt:
        pass
    writers = [tally.writer(before - began) for tally in tallies.values()]
    return Sampled(
        Sampling(before - began, samples, tuple(sorted(writers, key=lambda one: -one.seconds))),
        {pid: before - first for pid, first in since.items()},
    )


def _count(
    held: tuple[Held, ...],
    tallies: dict[int, _Tally],
    since: dict[int, float],
    moment: tuple[float, float],
) -> None:
    now, before = moment
    holding = {one.pid: one for one in held if not one.is_merely_attached}
    for pid in set(since) - set(holding):
        del since[pid]
    for pid, one in holding.items():
        since.setdefault(pid, now)
        if one.writes and pid not in tallies:
            tallies[pid] = _Tally(look_at(pid))
    for pid, tally in tallies.items():
        tally.saw(now, before, writes=pid in holding and holding[pid].writes)
