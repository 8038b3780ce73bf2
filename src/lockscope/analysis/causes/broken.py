"""Group E: the locks themselves are broken."""

from typing import Final

from lockscope.analysis.causes.case import Case
from lockscope.analysis.causes.model import Answer, Cause, Evidence, Verdict
from lockscope.analysis.losses import Loss, find_losses

__all__ = ["closed_descriptor"]

C31: Final = Cause(
    "C31",
    "locks lost by closing a descriptor",
    "no",
    "lost its locks by closing another descriptor of the database's file: others may have written "
    "meanwhile",
    "Do not open a database's files beside SQLite in the same process: copy with VACUUM INTO or "
    "the backup API, or read the file from another process.",
    "Record it again: no descriptor of a locked file may be closed but by SQLite.",
)


def closed_descriptor(case: Case) -> Verdict:
    """C31: a process closed a descriptor of a database's file, and with it lost locks."""
    losses = find_losses(case.analysis)
    if not losses:
        return Verdict(C31, Answer.NO)
    return Verdict(C31, Answer.YES, tuple(_lost(case, loss) for loss in losses))


def _lost(case: Case, loss: Loss) -> Evidence:
    return Evidence(
        pid=loss.pid,
        at_s=case.seconds(loss.at_ns),
        seconds=0.0,
        failed=False,
        resource=", ".join(loss.resources),
        statement=loss.statement,
        source=loss.source,
        facts=(("closed_at", loss.origin), ("closed_at_line", loss.line)),
        records=(loss.at_ns, loss.at_ns),
    )
