"""Why: the causes of "database is locked" that a trace shows, each with the records that prove it.

A rule looks for one cause of the catalogue and answers *yes*, *no* or *cannot tell*, with its
evidence as data. Each victim has one cause: the rules are asked in the order of `RULES`, the most
specific first, and a victim that one has claimed is shown to no other. The sentence is made last.
"""

from collections.abc import Iterable
from typing import Final

from lockscope.analysis.causes import (
    broken,
    crowded,
    needless,
    openings,
    readers,
    refusals,
    structure,
    surroundings,
    timeouts,
)
from lockscope.analysis.causes.blindness import with_gaps
from lockscope.analysis.causes.case import Case
from lockscope.analysis.causes.chains import with_chains
from lockscope.analysis.causes.model import Answer, Rule, Verdict
from lockscope.analysis.causes.sentences import finding
from lockscope.analysis.model import Analysis, Finding

__all__ = ["RULES", "Verdict", "diagnose", "find_causes", "findings_of"]

RULES: Final[tuple[Rule, ...]] = (
    broken.closed_descriptor,
    broken.removed_file,
    broken.inherited_connection,
    surroundings.network_mount,
    surroundings.shared_mount,
    structure.locked_table,
    structure.opposite_order,
    openings.recovery,
    refusals.stale_snapshot,
    broken.hot_journal,
    refusals.rollback_upgrade,
    refusals.wal_upgrade,
    refusals.journal_mode,
    refusals.no_timeout,
    readers.iterates_and_writes,
    structure.stopped_holder,
    structure.pool,
    surroundings.foreign_program,
    structure.forgotten_holder,
    timeouts.failed_commit,
    readers.tool,
    readers.unfinished_select,
    readers.blocking_checkpoint,
    openings.last_close,
    structure.exclusive_mode,
    structure.schema_race,
    timeouts.maintenance,
    crowded.coarse_sleep,
    crowded.unfair_queue,
    crowded.slow_sync,
    timeouts.leaked_transaction,
    needless.begun_to_write,
    needless.writes_nothing,
    timeouts.long_transaction,
    crowded.saturation,
    readers.long_reader,
)
"""The most specific first."""


def diagnose(analysis: Analysis) -> tuple[Verdict, ...]:
    """What each rule answers, in the order of `RULES`."""
    case = Case.of(analysis)
    verdicts = []
    for rule in RULES:
        verdict = rule(case)
        verdicts.append(with_gaps(case, with_chains(case, verdict)))
        case = case.without(verdict.victims)
    return tuple(verdicts)


def find_causes(analysis: Analysis) -> tuple[Finding, ...]:
    """The causes that are there, the weightiest first: by failures, then by the seconds waited."""
    return findings_of(verdict for verdict in diagnose(analysis) if verdict.answer is Answer.YES)


def findings_of(found: Iterable[Verdict]) -> tuple[Finding, ...]:
    """Verdicts that say yes as findings, the weightiest first."""
    ranked = sorted(found, key=lambda one: (-one.failures, -one.seconds, one.cause.id))
    return tuple(finding(verdict) for verdict in ranked)
