"""What a rule answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lockscope.analysis.causes.case import Case
    from lockscope.analysis.causes.victims import Victim

__all__ = ["Answer", "Cause", "Evidence", "Rule", "Step", "Verdict"]


class Answer(StrEnum):
    """Whether a cause is there; *cannot tell* is never a *no*."""

    YES = "yes"
    NO = "no"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Cause:
    """What is the same in every finding of a cause.

    Attributes:
        id: The catalogue's id, C01 to C36.
        title: What it is, in a few words.
        timeout_helps: Whether a longer busy timeout would have helped.
        meaning: What happened to a victim, as the rest of a sentence that begins with "A process".
        remedy: What to do.
        proof: How to check that it worked.
        not_this: The common advice that does not fit, and why; empty where there is none.
    """

    id: str
    title: str
    timeout_helps: Literal["yes", "no", "partly"]
    meaning: str
    remedy: str
    proof: str
    not_this: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a victim's story.

    Attributes:
        what: Of the victim: `asked` (its statement), `waited`. Of the holder: `took` the lock,
            meanwhile `ran` a statement, `synced` files, `slept`, or did `nothing` that is recorded;
            then `released` it, or `left` without ending its transaction. `behind` is a process that
            a holder waited for itself.
        pid: Whose step it is.
        at_s: When it began, seconds from the beginning of the recording; for what was added up,
            when the first of it began.
        seconds: How long it took.
        statement: What ran.
        source: At which `file:line`.
        resource: What was wanted, taken or released.
        count: How often, where that was more than once or may have been.
        code: SQLite's extended result code.
        ended: How the wait, or the hold, ended.
    """

    what: str
    pid: int
    at_s: float
    seconds: float
    statement: str | None = None
    source: str | None = None
    resource: str | None = None
    count: int | None = None
    code: int | None = None
    ended: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One occurrence, as data.

    Attributes:
        pid: Whom it happened to.
        at_s: When it began, seconds from the beginning of the recording.
        seconds: How long it waited, or how long what is reported lasted.
        failed: Whether a statement failed by it.
        resource: What was wanted or held; None where nothing can be named.
        statement: What ran.
        source: At which `file:line`.
        holder_pid: Who stood in the way; None where nobody can be named.
        holder_statement: What had taken the lock.
        holder_source: At which `file:line`.
        facts: What else shows the cause: names and numbers, seconds or counts as the names say.
        records: The span of records that show it: nanoseconds of the trace's clock.
        victim: Whom it happened to, where it is a victim; of no concern outside the analysis.
        chain: The victim's story.
    """

    pid: int
    at_s: float
    seconds: float
    failed: bool
    resource: str | None = None
    statement: str | None = None
    source: str | None = None
    holder_pid: int | None = None
    holder_statement: str | None = None
    holder_source: str | None = None
    facts: tuple[tuple[str, object], ...] = ()
    records: tuple[int, int] = (0, 0)
    victim: "Victim | None" = None
    chain: tuple[Step, ...] = ()

    def fact(self, name: str) -> object:
        """One of the facts; None where it is not among them."""
        return dict(self.facts).get(name)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule answers.

    Attributes:
        cause: Which cause was looked for.
        answer: Whether it is there.
        evidence: What shows it, the weightiest first.
        confidence: How sure the evidence makes it; it means nothing where the answer is no.
        victims: The victims that it explains, which no other cause may claim.
        needed: What would be needed to tell; empty where the answer is yes or no.
    """

    cause: Cause
    answer: Answer
    evidence: tuple[Evidence, ...] = ()
    confidence: Literal["certain", "likely", "possible"] = "certain"
    victims: "frozenset[Victim]" = field(default_factory=frozenset)
    needed: str = ""

    @property
    def failures(self) -> int:
        """How many statements failed by it."""
        return sum(one.failed for one in self.evidence)

    @property
    def seconds(self) -> float:
        """How long was waited because of it."""
        return sum(one.seconds for one in self.evidence)


Rule = Callable[["Case"], Verdict]
"""A rule looks for one cause."""
