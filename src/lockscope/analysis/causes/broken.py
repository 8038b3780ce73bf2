"""Group E: the locks themselves are broken."""

from typing import Final

from lockscope.analysis.causes.case import Case
from lockscope.analysis.causes.model import Answer, Cause, Evidence, Verdict
from lockscope.analysis.losses import Loss, find_losses
from lockscope.analysis.removals import RemovedFile, find_removals, removal_sentence

__all__ = ["closed_descriptor", "removed_file"]

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
C36: Final = Cause(
    "C36",
    "a database's file removed while in use",
    "no",
    "took the name from a file of a database that somebody was using",
    "Never unlink, rename or replace the files of a database that somebody has open: change its "
    "content through SQLite (the backup API writes into a live database), or stop all its users "
    "first.",
    "Record it again: no file of the database loses its name while a process uses it.",
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


def removed_file(case: Case) -> Verdict:
    """C36: a database, its log or its journal was unlinked, renamed or replaced while in use."""
    used = [removed for removed in find_removals(case.analysis) if removed.users]
    if not used:
        return Verdict(C36, Answer.NO)
    evidence = tuple(_taken(case, removed) for removed in used)
    return Verdict(C36, Answer.YES, evidence, "certain" if used[0].resources else "likely")


def _taken(case: Case, removed: RemovedFile) -> Evidence:
    return Evidence(
        pid=removed.pid,
        at_s=case.seconds(removed.at_ns),
        seconds=0.0,
        failed=False,
        resource=", ".join(removed.resources) or None,
        statement=removed.statement,
        source=removed.source,
        facts=(
            ("file", removed.file),
            ("how", removed.how.name.lower()),
            ("other", removed.other),
            ("removed_at", removed.origin),
            ("users", list(removed.users)),
            ("removal", removal_sentence(removed)),
        ),
        records=(removed.at_ns, removed.at_ns),
    )
