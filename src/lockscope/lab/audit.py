"""The audit: what was acknowledged against what is there."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lockscope.lab.attempts import Attempt
from lockscope.lab.events import State
from lockscope.lab.workload import Row

__all__ = ["Audit", "AuditedRecord", "Verdict", "audit"]


class Verdict(StrEnum):
    """What became of a record."""

    COMMITTED = "committed and present"
    LOST = "committed and absent"
    FAILED = "failed"
    FAILED_PRESENT = "failed and present"
    UNKNOWN_PRESENT = "unknown and present"
    UNKNOWN_ABSENT = "unknown and absent"
    NEVER_TRIED = "never tried"
    NEVER_TRIED_PRESENT = "never tried and present"


@dataclass(frozen=True, slots=True)
class AuditedRecord:
    """One record that should have been written, and what became of it."""

    record: str
    worker: int
    transaction: int
    verdict: Verdict
    present: int


@dataclass(frozen=True, slots=True)
class Audit:
    """What the database holds, against what the workers were told.

    Attributes:
        records: Every record of the plan, by worker and transaction.
        unexpected: Keys that are there although nobody committed them.
        duplicates: Keys that are there more than once.
    """

    records: tuple[AuditedRecord, ...]
    unexpected: tuple[str, ...]
    duplicates: tuple[str, ...]

    def count(self, *verdicts: Verdict) -> int:
        """How many records have one of these verdicts."""
        return sum(record.verdict in verdicts for record in self.records)

    @property
    def clean(self) -> bool:
        """Every record was committed and is there once, and nothing else is."""
        all_there = self.count(Verdict.COMMITTED) == len(self.records)
        return all_there and not self.unexpected and not self.duplicates


def audit(
    planned: Mapping[tuple[int, int], str], attempts: Sequence[Attempt], rows: Sequence[Row]
) -> Audit:
    """Compare what was acknowledged with what is there.

    Args:
        planned: The key of each (worker, transaction).
        attempts: Everything that was tried.
        rows: Everything that is there.
    """
    present = Counter(row.key for row in rows)
    told: dict[tuple[int, int], set[State]] = {}
    for attempt in attempts:
        told.setdefault((attempt.worker, attempt.transaction), set()).add(attempt.outcome)
    records = tuple(
        AuditedRecord(key, *place, _verdict(told.get(place, set()), present[key]), present[key])
        for place, key in planned.items()
    )
    wrong = {Verdict.FAILED_PRESENT, Verdict.NEVER_TRIED_PRESENT}
    accounted = {record.record for record in records if record.verdict not in wrong}
    return Audit(
        records,
        unexpected=tuple(key for key in present if key not in accounted),
        duplicates=tuple(key for key, times in present.items() if times > 1),
    )


def _verdict(told: set[State], present: int) -> Verdict:
    if State.COMMITTED in told:
        return Verdict.COMMITTED if present else Verdict.LOST
    if State.UNKNOWN in told:
        return Verdict.UNKNOWN_PRESENT if present else Verdict.UNKNOWN_ABSENT
    if State.FAILED in told:
        return Verdict.FAILED_PRESENT if present else Verdict.FAILED
    return Verdict.NEVER_TRIED_PRESENT if present else Verdict.NEVER_TRIED
