"""What came of an experiment."""

from dataclasses import dataclass
from pathlib import Path

from lockscope.analysis.model import Blame, Finding
from lockscope.lab.attempts import Attempt
from lockscope.lab.audit import Audit
from lockscope.lab.member import WorkerEnd
from lockscope.lab.plan import Plan
from lockscope.lab.workload import Row

__all__ = ["Experiment"]


@dataclass(frozen=True, slots=True)
class Experiment:
    """What came of an experiment.

    Attributes:
        plan: What was planned.
        folder: The run's folder.
        trace: The trace's folder.
        started_at: Wall clock when the workers were let go, ISO 8601; for people.
        released_ns: The same moment, CLOCK_MONOTONIC.
        ended_ns: When the last worker had ended.
        interrupted: Whether Ctrl-C ended it.
        attempts: Everything that was tried, by its beginning.
        blames: For each attempt: what it waited and for whom.
        rows: What is in the database, in the table's order.
        audit: What was acknowledged against what is there.
        findings: The causes that the trace shows, the weightiest first.
        workers: How each worker ended, by its number.
        notes: What a reader should know: what could not be recorded, what workers printed.
        versions: Of lockscope, Python, SQLite, and the system.
    """

    plan: Plan
    folder: Path
    trace: Path
    started_at: str
    released_ns: int
    ended_ns: int
    interrupted: bool
    attempts: tuple[Attempt, ...]
    blames: tuple[Blame, ...]
    rows: tuple[Row, ...]
    audit: Audit
    findings: tuple[Finding, ...]
    workers: tuple[WorkerEnd, ...]
    notes: tuple[str, ...]
    versions: dict[str, str]

    @property
    def clean(self) -> bool:
        """Every record was committed and is there, nothing else is, and nobody stopped it."""
        orderly = all(worker.orderly for worker in self.workers)
        failed = any(attempt.outcome != "committed" for attempt in self.attempts)
        return self.audit.clean and orderly and not failed and not self.interrupted

    def worker_of(self, pid: int) -> int | None:
        """The number of the worker with that process id, None for a stranger."""
        return next((worker.worker for worker in self.workers if worker.pid == pid), None)
