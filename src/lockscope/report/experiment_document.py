"""An experiment as one JSON document: `lockscope.run/1`."""

import json
from typing import Final

from lockscope.analysis.model import Blame
from lockscope.lab.attempts import Attempt
from lockscope.lab.audit import AuditedRecord, Verdict
from lockscope.lab.result import Experiment
from lockscope.report.json import finding_document

__all__ = ["SCHEMA", "experiment_document"]

SCHEMA: Final = "lockscope.run/1"
_NS: Final = 1_000_000_000
_DIGITS: Final = 6
_UNKNOWN: Final = (Verdict.UNKNOWN_PRESENT, Verdict.UNKNOWN_ABSENT)
_MISSING: Final = (Verdict.FAILED, Verdict.UNKNOWN_ABSENT, Verdict.NEVER_TRIED)


def experiment_document(experiment: Experiment) -> str:
    """The document as text, ending without a newline.

    Args:
        experiment: What came of it.
    """
    plan = experiment.plan
    audit = experiment.audit
    document = {
        "schema": SCHEMA,
        "workload": plan.workload,
        "processes": plan.processes,
        "records": plan.records,
        "hold_s": plan.hold_s,
        "think_s": plan.think_s,
        "remedy": plan.remedy.name,
        "timeout_s": plan.timeout_s,
        "patience_s": plan.patience_s,
        "seed": plan.seed,
        "database": plan.database,
        "folder": str(experiment.folder),
        "trace": str(experiment.trace),
        "started_at": experiment.started_at,
        "seconds": _seconds(experiment.ended_ns - experiment.released_ns),
        "interrupted": experiment.interrupted,
        "clean": experiment.clean,
        "committed": audit.count(Verdict.COMMITTED, Verdict.LOST),
        "failed": audit.count(Verdict.FAILED, Verdict.FAILED_PRESENT),
        "lost": audit.count(Verdict.LOST),
        "unknown": audit.count(*_UNKNOWN),
        "never_tried": audit.count(Verdict.NEVER_TRIED, Verdict.NEVER_TRIED_PRESENT),
        "rows": _rows(experiment),
        "missing": [record.record for record in audit.records if record.verdict in _MISSING],
        "unexpected": list(audit.unexpected),
        "duplicates": list(audit.duplicates),
        "attempts": [
            _attempt(experiment, attempt, blame)
            for attempt, blame in zip(experiment.attempts, experiment.blames, strict=True)
        ],
        "audit": [_audited(record) for record in audit.records],
        "workers": [
            {
                "worker": f"P{end.worker}",
                "pid": end.pid,
                "exit_status": end.status,
                "orderly": end.orderly,
                "ended": end.sentence,
            }
            for end in experiment.workers
        ],
        "findings": [finding_document(finding) for finding in experiment.findings],
        "notes": list(experiment.notes),
        "environment": experiment.versions,
    }
    return json.dumps(document, indent=2, default=str)


def _rows(experiment: Experiment) -> list[dict[str, object]]:
    written_by = {record.record: f"P{record.worker}" for record in experiment.audit.records}
    return [
        {**row.values, "record": row.key, "worker": written_by.get(row.key)}
        for row in experiment.rows
    ]


def _audited(record: AuditedRecord) -> dict[str, object]:
    return {
        "record": record.record,
        "worker": f"P{record.worker}",
        "transaction": record.transaction,
        "verdict": record.verdict.value,
        "present": record.present,
    }


def _attempt(experiment: Experiment, attempt: Attempt, blame: Blame) -> dict[str, object]:
    return {
        "worker": f"P{attempt.worker}",
        "pid": attempt.pid,
        "transaction": attempt.transaction,
        "attempt": attempt.attempt,
        "record": attempt.record,
        "outcome": attempt.outcome.value,
        "error": attempt.error or None,
        "code": attempt.code,
        "source": attempt.source or None,
        "began_s": _seconds(attempt.began_ns - experiment.released_ns),
        "seconds": _seconds(attempt.ended_ns - attempt.began_ns),
        "waited_s": _seconds(blame.waited_ns),
        "blockers": _blockers(experiment, blame),
    }


def _blockers(experiment: Experiment, blame: Blame) -> list[dict[str, object]]:
    return [
        {
            "pid": blocker.pid,
            "worker": _worker(experiment.worker_of(blocker.pid)),
            "resource": blocker.resource,
            "mode": blocker.mode,
            "seconds": round(blocker.seconds, _DIGITS),
            "statement": blocker.statement,
            "source": blocker.source,
        }
        for blocker in blame.blockers
    ]


def _worker(number: int | None) -> str | None:
    return None if number is None else f"P{number}"


def _seconds(duration_ns: int) -> float:
    return round(duration_ns / _NS, _DIGITS)
