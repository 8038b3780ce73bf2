"""Group A: the wait ended in a timeout."""

from typing import Final

from lockscope.analysis.causes.case import Case, Facts
from lockscope.analysis.causes.model import Cause, Verdict
from lockscope.analysis.causes.stories import HoldStory
from lockscope.analysis.model import WaitEnd

__all__ = ["long_transaction"]

_MOST: Final = 0.5
"""A hold that was in the way for half of a wait is what it waited for."""
C02: Final = Cause(
    "C02",
    "long write transaction",
    "partly",
    "gave up because another process kept the lock for longer than the timeout",
    "Move the slow part out of the transaction, or commit in smaller steps; a longer timeout helps "
    "only beyond the longest hold.",
    "Record it again: the longest hold of the write lock must be far below the busy timeout.",
)


def long_transaction(case: Case) -> Verdict:
    """C02: a wait timed out, and one hold was in the way for most of it."""
    inside = case.analysis.waits["inside"]
    return case.verdict(
        C02,
        (
            victim
            for victim in case.victims
            if victim.end is WaitEnd.TIMED_OUT and victim.share >= _MOST and not inside[victim.wait]
        ),
        lambda victim: _meanwhile(case.story(victim.blocker)),
    )


def _meanwhile(story: HoldStory) -> Facts:
    """What the holder did while it held the lock."""
    return (
        ("held_s", story.length_ns / 1e9),
        ("held_in_statements_s", story.in_statements_ns / 1e9),
        ("held_syncing_s", story.sync_ns / 1e9),
        ("held_idle_at_the_end_s", story.idle_tail_ns / 1e9),
        ("held_wrote_bytes", story.written_bytes),
    )
