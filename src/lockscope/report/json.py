"""The report as one JSON document, `lockscope.report/1`."""

import json
from dataclasses import asdict
from typing import Any, Final, TextIO

import numpy as np

from lockscope.analysis import Analysis, Blocker, Deadlock, Finding, WaitEnd
from lockscope.analysis.removals import RemovedFile, find_removals, removal_sentence
from lockscope.interpret.model import Cause, Sampling
from lockscope.locks.modes import LockMode
from lockscope.trace.kinds import ERROR_WITHOUT_CODE
from lockscope.trace.model import Process, Trace

__all__ = ["ENDED_BY", "blocker_document", "finding_document", "render", "report_document"]

Document = dict[str, Any]

ENDED_BY: Final[dict[int, str]] = {
    Cause.UNLOCK: "unlock",
    Cause.CLOSE: "close of a descriptor",
    Cause.EXEC: "exec",
    Cause.EXIT: "exit",
    Cause.KILLED: "kill",
    Cause.CHANGED: "change of mode",
    Cause.TRACE_ENDED: "end of the trace",
    Cause.NOT_SEEN: "absence from a later sample",
    Cause.LOST: "first lost record",
}
"""What ended a hold, in words, by `Cause`."""


def render(trace: Trace, analysis: Analysis, out: TextIO) -> None:
    """Write the document."""
    json.dump(report_document(trace, analysis), out, indent=1)
    out.write("\n")


def report_document(trace: Trace, analysis: Analysis) -> Document:
    """The document: times in seconds from the beginning of the recording."""
    source = analysis.source
    return {
        "schema": "lockscope.report/1",
        "trace": str(trace.path),
        "command": list(trace.manifest.command),
        "started_at": trace.manifest.started_at,
        "seconds": (source.ended_ns - source.began_ns) / 1e9,
        "databases": list(source.databases),
        "inferred_from_statements": source.inferred,
        "processes": [
            _process(analysis, place)
            for place, process in enumerate(source.processes)
            if process.watched
        ],
        "holds": [_hold(analysis, place) for place in range(len(analysis.holds))],
        "waits": [_wait(analysis, place) for place in range(len(analysis.waits))],
        "deadlocks": [_deadlock(analysis, deadlock) for deadlock in analysis.deadlocks],
        "errors": [
            _error(analysis, row) for row in source.statements[source.statements["error"] != 0]
        ],
        "removals": [_removal(analysis, removed) for removed in find_removals(analysis)],
        "findings": [finding_document(finding) for finding in analysis.findings],
        "gaps": [asdict(gap) for gap in source.gaps],
        "sampling": _sampling(source.sampling),
    }


def _sampling(sampling: Sampling | None) -> Document | None:
    """How locks were sampled from outside, where they were."""
    if sampling is None:
        return None
    return {
        "samples": sampling.count,
        "mean_s": sampling.mean_ns / 1e9,
        "longest_s": sampling.longest_ns / 1e9,
        "alone": sampling.alone,
        "notes": list(sampling.notes),
    }


def finding_document(finding: Finding) -> Document:
    """A finding, as every document shows it."""
    return {**asdict(finding), "evidence": list(finding.evidence)}


def blocker_document(blocker: Blocker) -> Document:
    """A blocker, as every document shows it."""
    return asdict(blocker)


def _seconds(analysis: Analysis, at_ns: int) -> float:
    return (at_ns - analysis.source.began_ns) / 1e9


def _process(analysis: Analysis, place: int) -> Document:
    process: Process = analysis.source.processes[place]
    return {
        "pid": process.pid,
        "parent": process.parent or None,
        "command": process.command,
        "folder": process.folder,
        "began_s": _seconds(analysis, process.began_ns),
        "ended_s": _seconds(analysis, process.ended_ns) if process.ended_ns else None,
        "end": process.end.name.lower(),
        "status": process.status,
        "recorded": process.recorded,
        "blocked_others_s": analysis.waiter_seconds.get(place, 0.0),
    }


def _context(analysis: Analysis, context: int) -> Document:
    found = analysis.source.contexts[context]
    return {"statement": found.statement or None, "source": found.source or None}


def _hold(analysis: Analysis, place: int) -> Document:
    row = analysis.holds[place]
    return {
        **_lock(analysis, row),
        "ended_by": ENDED_BY[int(row["cause"])],
    }


def _wait(analysis: Analysis, place: int) -> Document:
    row = analysis.waits[place]
    return {
        **_lock(analysis, row),
        "slept_s": int(row["slept_ns"]) / 1e9,
        "attempts": int(row["attempts"]),
        "ended": WaitEnd(int(row["end"])).title,
        "inferred": bool(row["inferred"]),
        "inside": bool(row["inside"]),
        "blockers": [blocker_document(blocker) for blocker in analysis.blockers(place)],
        "chain": [analysis.source.processes[step].pid for step in analysis.chain(place)],
    }


def _lock(analysis: Analysis, row: np.void) -> Document:
    """What a hold and a wait have in common: who, what, when, by which statement."""
    return {
        "pid": analysis.source.processes[int(row["process"])].pid,
        "thread": int(row["thread"]),
        "resource": analysis.source.resources[int(row["resource"])].title,
        "mode": LockMode(int(row["mode"])).name.lower(),
        "began_s": _seconds(analysis, int(row["began_ns"])),
        "seconds": int(row["ended_ns"] - row["began_ns"]) / 1e9,
        **_context(analysis, int(row["context"])),
    }


def _deadlock(analysis: Analysis, deadlock: Deadlock) -> Document:
    pids = [analysis.source.processes[place].pid for place in deadlock.processes]
    victim = deadlock.victim
    return {
        "at_s": _seconds(analysis, deadlock.at_ns),
        "pids": pids,
        "waits": list(deadlock.waits),
        "victim": None if victim is None else analysis.source.processes[victim].pid,
    }


def _removal(analysis: Analysis, removed: RemovedFile) -> Document:
    return {
        "pid": removed.pid,
        "at_s": _seconds(analysis, removed.at_ns),
        "file": removed.file,
        "how": removed.how.name.lower(),
        "other": removed.other,
        "removed_at": removed.origin,
        "statement": removed.statement,
        "source": removed.source,
        "users": list(removed.users),
        "sentence": removal_sentence(removed),
    }


def _error(analysis: Analysis, row: np.void) -> Document:
    return {
        "pid": analysis.source.processes[int(row["process"])].pid,
        "at_s": _seconds(analysis, int(row["ended_ns"])),
        "code": None if row["error"] == ERROR_WITHOUT_CODE else int(row["error"]),
        "message": analysis.source.texts[int(row["message"])],
        **_context(analysis, int(row["context"])),
    }
