"""Group A: the wait ended in a timeout, or was long, because of one hold."""

import re
from bisect import bisect_left, bisect_right
from typing import Final

from lockscope.analysis.causes.case import Case, Facts
from lockscope.analysis.causes.model import Cause, Verdict
from lockscope.analysis.causes.stories import LEFT, HoldStory
from lockscope.analysis.causes.victims import Victim

__all__ = ["failed_commit", "leaked_transaction", "long_transaction", "maintenance"]

_BUSY: Final = 5
"""SQLITE_BUSY, `sqlite3.h`."""
_REPEATED: Final = ("COMMIT", "END")
_CLOSE: Final = "CLOSE()"
"""What the recorders call the closing of a connection, which rolls back what it left open."""
C02: Final = Cause(
    "C02",
    "long write transaction",
    "partly",
    "waited because another process kept the lock for so long",
    "Move the slow part out of the transaction, or commit in smaller steps; a longer timeout helps "
    "only beyond the longest hold.",
    "Record it again: the longest hold of the write lock must be far below the busy timeout.",
)
C03: Final = Cause(
    "C03",
    "leaked write transaction",
    "no",
    "waited for a transaction that nobody was going to end",
    "Commit or roll back on every way out, also when an exception passes: `with connection:` does, "
    "or commit each statement by itself (isolation_level=None).",
    "Raise an exception between the first write and the commit, and record it: the lock must be "
    "gone at once.",
    "A longer timeout waits longer for a transaction that never ends; killing the holder ends it "
    "once.",
)
C04: Final = Cause(
    "C04",
    "failed COMMIT that was not rolled back",
    "no",
    "was locked out by a transaction whose COMMIT had failed and that was not rolled back",
    "When COMMIT fails, repeat it or ROLLBACK; in WAL mode a reader is not in its way.",
    "Record it again: no PENDING lock may outlast the busy timeout of the COMMIT that took it.",
    "A longer timeout helps no one: the lock stays until the program ends its transaction.",
)
C10: Final = Cause(
    "C10",
    "maintenance under the write lock",
    "partly",
    "waited for a statement that rewrites much of the database under one lock",
    "Run it when nobody writes, or in small steps: PRAGMA incremental_vacuum(N), VACUUM INTO "
    "another file, deletes in batches.",
    "Record it again while it runs: no hold of the write lock may be as long as the statement was.",
    "A longer timeout helps only beyond the whole statement, which grows with the file.",
)
_MAINTENANCE: Final = re.compile(
    r"VACUUM|REINDEX|ANALYZE|CREATE (UNIQUE )?INDEX|DROP |ALTER TABLE|PRAGMA (\w+\.)?"
    r"(INCREMENTAL_VACUUM|OPTIMIZE)"
)


def maintenance(case: Case) -> Verdict:
    """C10: the hold that was in the way was taken, or kept, by a statement that rewrites much."""
    return case.verdict(
        C10,
        (
            victim
            for victim in case.victims
            if case.waited(victim)
            and case.holds_to_write(victim.blocker)
            and case.ran_during(victim.blocker, _MAINTENANCE)
        ),
        lambda victim: _meanwhile(case.story(victim.blocker)),
    )


def failed_commit(case: Case) -> Verdict:
    """C04: the blocker's transaction went on after a COMMIT of it had been refused."""
    failed: dict[int, list[Victim]] = {}
    for victim in case.victims:
        if victim.code == _BUSY and victim.wait >= 0 and case.wants_to_commit(victim):
            failed.setdefault(victim.process, []).append(victim)
    holders = case.analysis.holds["process"]
    blockers = {
        victim.blocker
        for victim in case.victims
        if failed and case.waited(victim) and int(holders[victim.blocker]) in failed
    }
    stuck = {
        hold: commit
        for hold in blockers
        if (commit := _failed_commit(case.story(hold), failed)) is not None
    }
    # The COMMIT that failed is a part of the same story.
    commits = set(stuck.values())
    return case.verdict(C04, (v for v in case.victims if v.blocker in stuck or v in commits))


def _failed_commit(story: HoldStory, failed: dict[int, list[Victim]]) -> Victim | None:
    """The COMMIT that failed during a hold which outlasted it; None where there is none."""
    commits = failed[story.process]
    if story.ending.startswith(_REPEATED):
        return None
    first = bisect_left(commits, story.began_ns, key=lambda commit: commit.began_ns)
    last = bisect_right(commits, story.ended_ns, key=lambda commit: commit.began_ns)
    return next(
        (
            commit
            for commit in commits[max(0, first - 1) : last]
            if story.began_ns <= commit.ended_ns < story.ended_ns
            and not story.acts_after(commit.returned_ns)
        ),
        None,
    )


def leaked_transaction(case: Case) -> Verdict:
    """C03: the blocker did nothing more with its transaction, and never ended it."""
    return case.verdict(
        C03,
        (
            victim
            for victim in case.victims
            if case.waited(victim)
            and case.holds_to_write(victim.blocker)
            and _is_leaked(case.story(victim.blocker), victim)
        ),
        lambda victim: _meanwhile(case.story(victim.blocker)),
    )


def _is_leaked(story: HoldStory, victim: Victim) -> bool:
    left = story.ended_by in LEFT or story.ending == _CLOSE
    return left and not story.committed and not story.acts_after(victim.began_ns)


def long_transaction(case: Case) -> Verdict:
    """C02: one hold of a write lock was in the way for most of a wait."""
    return case.verdict(
        C02,
        (
            victim
            for victim in case.victims
            if case.waited(victim) and case.holds_to_write(victim.blocker)
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
