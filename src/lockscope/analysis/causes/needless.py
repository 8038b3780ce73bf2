"""Group A: a write lock that nobody needed."""

import re
from typing import Final

from lockscope.analysis.causes.case import Case, Facts
from lockscope.analysis.causes.model import Answer, Cause, Verdict
from lockscope.analysis.causes.stories import LEFT, HoldStory
from lockscope.analysis.causes.victims import Victim

__all__ = ["begun_to_write", "writes_nothing"]

_BEGINS: Final = re.compile(r"BEGIN (IMMEDIATE|EXCLUSIVE)")
_WRITES: Final = re.compile(
    r"INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|REINDEX|ANALYZE|VACUUM|PRAGMA [^=(]*[=(]|"
    r"WITH .*\b(INSERT|UPDATE|DELETE|REPLACE)\b"
)
_OFTEN_NOTHING: Final = re.compile(
    r"INSERT OR IGNORE|INSERT .* ON CONFLICT.* DO NOTHING|CREATE .*IF NOT EXISTS|DROP .*IF EXISTS|"
    r"PRAGMA (\w+\.)?(USER_VERSION|APPLICATION_ID) ?[=(]"
)
_ENDS: Final = re.compile(r"COMMIT|END\b")
C05: Final = Cause(
    "C05",
    "write transaction that only reads",
    "partly",
    "waited for a transaction that had begun to write and then only read",
    "Begin with BEGIN IMMEDIATE only what will write: a separate engine, session or alias for "
    "reading, and no transaction around every request.",
    "Record it again: no hold of the write lock may end without a page written.",
    "A longer timeout lets writers wait for readers, which they never had to.",
)
C11: Final = Cause(
    "C11",
    "write that changes nothing",
    "partly",
    "waited for the write lock, or for who had it, although the statement changes nothing",
    "Read first, and write only what is not there yet: INSERT OR IGNORE, UPDATE and PRAGMA "
    "user_version= want the write lock also where there is nothing to do.",
    "Open the database again with everything there, and record it: the write lock must not be "
    "asked for.",
    "A longer timeout helps where others are quick; reading first needs none.",
)


def begun_to_write(case: Case) -> Verdict:
    """C05: the hold in the way was taken by BEGIN IMMEDIATE, and its transaction only read."""
    empty = [v for v in case.victims if _is_kept_by_another(case, v) and _is_empty(case, v.blocker)]
    verdict = case.verdict(
        C05, (v for v in empty if _only_reads(case, v.blocker)), lambda v: _held(case, v)
    )
    unknown = any(not case.story(victim.blocker).statements for victim in empty)
    if verdict.answer is Answer.NO and unknown:
        return Verdict(
            C05,
            Answer.CANNOT_TELL,
            needed="the statements of the transaction in the way, which wrote no page",
        )
    return verdict


def writes_nothing(case: Case) -> Verdict:
    """C11: the statement that waited, or the one that had taken the lock, wrote no page wherever it
    was granted.
    """
    idle = [v for v in case.victims if case.waited(v) and case.wants_to_write(v)]
    verdict = case.verdict(
        C11, (v for v in idle if _is_noop(case, v.context) or _holder_is_noop(case, v))
    )
    never = any(
        not case.granted(v.context) and _OFTEN_NOTHING.match(case.statement(v.context))
        for v in idle
    )
    if verdict.answer is Answer.NO and never:
        return Verdict(
            C11, Answer.CANNOT_TELL, needed="a recording in which the statement is granted once"
        )
    return verdict


def _is_kept_by_another(case: Case, victim: Victim) -> bool:
    return case.waited(victim) and case.holds_to_write(victim.blocker)


def _is_empty(case: Case, hold: int) -> bool:
    """Whether a transaction was ended, and had not written a page.

    In a rollback mode its COMMIT takes EXCLUSIVE all the same.
    """
    story = case.story(hold)
    return not story.written_bytes and story.ended_by not in LEFT


def _only_reads(case: Case, hold: int) -> bool:
    begun = _BEGINS.match(case.statement(int(case.analysis.holds["context"][hold])))
    return bool(begun) and not case.ran_during(hold, _WRITES)


def _holder_is_noop(case: Case, victim: Victim) -> bool:
    """Whether the hold in the way was taken to write, and the same statement never wrote."""
    return case.holds_to_write(victim.blocker) and _is_noop(
        case, int(case.analysis.holds["context"][victim.blocker])
    )


def _is_noop(case: Case, context: int) -> bool:
    """Whether a statement that writes was granted the lock, and each time no page was written."""
    if not _WRITES.match(case.statement(context)):
        return False
    granted = case.granted(context)
    return bool(granted) and all(_ends_itself(case, case.story(hold)) for hold in granted)


def _ends_itself(case: Case, story: HoldStory) -> bool:
    """Whether a hold without a page written was ended by its own statement, or by a COMMIT: a
    transaction that was rolled back may have changed what it took back.
    """
    taken_by = case.statement(int(case.analysis.holds["context"][story.hold]))
    own = story.ending == taken_by or bool(_ENDS.match(story.ending))
    return own and _is_empty(case, story.hold)


def _held(case: Case, victim: Victim) -> Facts:
    story = case.story(victim.blocker)
    return (
        ("held_s", story.length_ns / 1e9),
        ("held_wrote_bytes", story.written_bytes),
        ("held_statements", len(story.statements)),
    )
