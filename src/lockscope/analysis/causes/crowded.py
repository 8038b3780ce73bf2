"""Group A: many short holds, one after the other, and no single transaction at fault.

A slow disk, a saturated database and an unfair queue look alike. What tells them apart is what a
fair queue would have done: had every other process gone first once, and the waiter then, would the
wait have been much shorter? If so the queue was unfair; if not there was too much to do, or the
disk took its time over each of it.
"""

from collections.abc import Iterable
from typing import Final

from lockscope.analysis.causes.case import Case, Facts
from lockscope.analysis.causes.model import Cause, Verdict
from lockscope.analysis.causes.victims import Victim

__all__ = ["coarse_sleep", "saturation", "slow_sync", "unfair_queue"]

_MOST: Final = 0.5
"""More than half of a span is what the span was about."""
_SATURATED: Final = 0.8
"""A lock that is taken for more of the time than this is the bottleneck: with arrivals at random
the queue before it is as long as 1 / (1 - share)."""
_LONGEST_SLEEP_NS: Final = 100_000_000
"""Of SQLite's own busy handler (`main.c`, sqliteDefaultBusyCallback)."""
_SLEEPERS: Final = {
    1_000_000_000: "SQLite built without HAVE_USLEEP, or a driver that sleeps whole seconds",
    150_000_000: "Microsoft.Data.Sqlite",
}
"""Whose sleep between two tries it is: `os_unix.c`, unixSleep; SqliteCommand.cs."""
C06: Final = Cause(
    "C06",
    "slow disk: commits that wait for fsync",
    "partly",
    "waited while another process waited for its disk with the lock held",
    "Use WAL mode with PRAGMA synchronous=NORMAL (a crash of the machine may then undo the last "
    "commits, and the database stays whole), commit less often, or move the file to a faster disk.",
    "Record it again: the syncs of a commit and the longest hold of the write lock, before and "
    "after.",
    "A longer timeout helps only as long as the queue is shorter than the disk is slow.",
)
C07: Final = Cause(
    "C07",
    "saturated database: no single transaction at fault",
    "partly",
    "waited in a queue of short transactions that hardly ever left the lock free",
    "Write less often and more at once, read and compute before BEGIN, or let one process write "
    "for all.",
    "Record it again: the share of the time that the write lock is taken must fall well below 0.8.",
    "A longer timeout only moves the cliff: before a saturated lock the queue grows without end.",
)
C08: Final = Cause(
    "C08",
    "unfair queue: others went first again and again",
    "no",
    "slept while the lock was free, and found it taken again at each of its tries",
    "Let those who write much pause a moment after each commit, or let all queue in order: a lock "
    "file before BEGIN IMMEDIATE, or one process that writes for all.",
    "Record it again: the longest wait, and how often others went first in it.",
    "A longer timeout makes no queue fair: nobody is woken when a lock is released, and who asks "
    "most often wins.",
)
C09: Final = Cause(
    "C09",
    "busy handler that sleeps too long",
    "no",
    "slept on while the lock was free",
    "Use a SQLite that was built with HAVE_USLEEP, or a busy handler that asks again at least "
    "every 100 ms, as SQLite's own does.",
    "Record it again: the sleeps between denied requests must be 1, 2, 5, 10 … 100 ms.",
    "The handler's sleep made the wait, and a longer timeout makes no sleep shorter.",
)


def coarse_sleep(case: Case) -> Verdict:
    """C09: the waiter slept longer at once than SQLite ever does, mostly while the lock was
    free.
    """
    return case.verdict(
        C09,
        (
            victim
            for victim in _queued(case)
            if case.first_sleep_ns(victim) > _LONGEST_SLEEP_NS
            and case.queue(victim).busy_share < _MOST
        ),
        lambda victim: (
            ("slept_at_once_s", case.first_sleep_ns(victim) / 1e9),
            ("sleeper", _SLEEPERS.get(case.first_sleep_ns(victim))),
            *_facts(case, victim),
        ),
    )


def unfair_queue(case: Case) -> Verdict:
    """C08: others took the lock several times during a wait which a fair queue would have ended."""
    return case.verdict(
        C08,
        (victim for victim in _queued(case) if case.queue(victim).is_unfair),
        lambda victim: _facts(case, victim),
    )


def slow_sync(case: Case) -> Verdict:
    """C06: syncs took most of the time of the hold, or of the holds, that were in the way."""
    return case.verdict(
        C06,
        (
            victim
            for victim in case.victims
            if (case.waited(victim) and case.holds_to_write(victim.blocker))
            or (case.queued(victim) and _is_taken(case, victim, _MOST))
            if _synced_share(case, victim) > _MOST
        ),
        lambda victim: (("syncing_share", round(_synced_share(case, victim), 3)),),
    )


def saturation(case: Case) -> Verdict:
    """C07: no hold was in the way for long, and together they hardly ever left the lock free."""
    return case.verdict(
        C07,
        (victim for victim in _queued(case) if _is_taken(case, victim, _SATURATED)),
        lambda victim: _facts(case, victim),
    )


def _queued(case: Case) -> Iterable[Victim]:
    return (victim for victim in case.victims if case.queued(victim))


def _is_taken(case: Case, victim: Victim, share: float) -> bool:
    queue = case.queue(victim)
    return queue.of_writers and not queue.is_unfair and queue.busy_share > share


def _facts(case: Case, victim: Victim) -> Facts:
    queue = case.queue(victim)
    return (
        ("turns_of_others", queue.turns),
        ("others", queue.processes),
        ("lock_taken_share", round(queue.busy_share, 3)),
        ("avoidable_s", (queue.waited_ns - queue.busy_ns) / 1e9),
        ("in_a_fair_queue_s", queue.fair_ns / 1e9),
    )


def _synced_share(case: Case, victim: Victim) -> float:
    """How much of the time of the holds in the way of a victim went into syncs."""
    places = [victim.blocker] if case.waited(victim) else case.in_the_way(victim).tolist()
    synced = sum(case.synced_ns(hold) for hold in places)
    holds = case.analysis.holds.take(places)
    return synced / max(1, int((holds["ended_ns"] - holds["began_ns"]).sum()))
