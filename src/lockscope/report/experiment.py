"""The answer of an experiment: what is in the database, what is not and why, what to try next."""

import io
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lockscope.analysis.model import Blame, Blocker
from lockscope.lab.attempts import Attempt
from lockscope.lab.audit import AuditedRecord, Verdict
from lockscope.lab.events import State
from lockscope.lab.folder import RunFolder
from lockscope.lab.result import Experiment
from lockscope.report.console import console_for
from lockscope.report.experiment_advice import next_step

__all__ = ["render", "write_report"]

_NS: Final = 1_000_000_000
_KEPT_WIDTH: Final = 100
_PIPED_WIDTH: Final = 80
_MOST_ROWS: Final = 30
_MOST_TROUBLES: Final = 20
_MOST_BLOCKERS: Final = 3
_INDENT: Final = 2
_PRIMARY: Final = 0xFF
_GOOD: Final = Verdict.COMMITTED
_MOST_FINDINGS: Final = 3


def render(experiment: Experiment, file: TextIO) -> None:
    """Print the answer.

    Args:
        experiment: What came of it.
        file: Where to; colour only if it is a terminal and NO_COLOR is not set.
    """
    console_for(file, _PIPED_WIDTH).print(_answer(experiment))


def write_report(experiment: Experiment, document: str, folder: RunFolder) -> str:
    """Keep the answer in the run's folder, as text and as the document.

    Returns:
        What went wrong, in a sentence; empty if nothing did. The answer itself must not fail for
        that.
    """
    try:
        folder.document.write_text(document + "\n", encoding="utf-8")
        with folder.report.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(_plain(experiment))
    except OSError as error:
        return f"the answer could not be kept in {folder.path}: {error.strerror}."
    return ""


def _plain(experiment: Experiment) -> str:
    console = console_for(io.StringIO(), _KEPT_WIDTH, kept=True)
    with console.capture() as capture:
        console.print(_answer(experiment))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _answer(experiment: Experiment) -> RenderableType:
    parts = [
        _headline(experiment),
        _table(experiment),
        *_troubles(experiment),
        *_ends(experiment),
        *_findings(experiment),
        *_closing(experiment),
    ]
    return Group(*parts)


def _headline(experiment: Experiment) -> RenderableType:
    plan = experiment.plan
    seconds = (experiment.ended_ns - experiment.released_ns) / _NS
    about = [
        plan.workload,
        f"{_times(plan.processes, 'process', 'processes')} x {plan.records}",
        plan.remedy.name,
        f"hold {plan.hold_s:g} s",
        f"timeout {plan.timeout_s:g} s",
        f"took {seconds:.1f} s",
    ]
    return Group(Text(" · ".join(about), style="dim"), Text(), _verdict(experiment), Text())


def _verdict(experiment: Experiment) -> Text:
    audit = experiment.audit
    planned = len(audit.records)
    there = audit.count(Verdict.COMMITTED)
    if experiment.clean:
        return Text(f"All {planned} records were committed and are there.", style="bold green")
    counts = [
        (audit.count(Verdict.FAILED, Verdict.FAILED_PRESENT), "failed"),
        (audit.count(Verdict.LOST), "lost (acknowledged, yet absent)"),
        (audit.count(Verdict.UNKNOWN_PRESENT, Verdict.UNKNOWN_ABSENT), "unknown"),
        (audit.count(Verdict.NEVER_TRIED, Verdict.NEVER_TRIED_PRESENT), "never tried"),
        (len(audit.unexpected), "unexpected"),
        (len(audit.duplicates), "there more than once"),
    ]
    told = ", ".join(f"{count} {word}" for count, word in counts if count)
    stopped = " Ctrl-C ended it early." if experiment.interrupted else ""
    return Text(
        f"{there} of {planned} records were committed and are there"
        + (f"; {told}." if told else ".")
        + stopped,
        style="bold red",
    )


def _table(experiment: Experiment) -> RenderableType:
    if not experiment.rows:
        return Padding(Text("The table is empty.", style="dim"), (1, _INDENT), expand=False)
    written_by = {record.record: record for record in experiment.audit.records}
    columns = list(dict.fromkeys(name for row in experiment.rows for name in row.values)) or [
        "record"
    ]
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    table.add_column("written by")
    for row in experiment.rows[:_MOST_ROWS]:
        cells = [str(row.values.get(name, row.key)) for name in columns]
        table.add_row(*cells, _author(written_by.get(row.key)))
    hidden = len(experiment.rows) - _MOST_ROWS
    more = [Text(f"  … and {hidden} more; all are in run.json", style="dim")] if hidden > 0 else []
    return Group(Text("In the table, in its order", style="bold"), table, *more, Text())


def _author(record: AuditedRecord | None) -> Text:
    if record is None:
        return Text("nobody (unexpected)", style="red")
    author = Text(f"P{record.worker}")
    if record.verdict is not _GOOD:
        author.append(f" ({record.verdict})", style="red")
    if record.present > 1:
        author.append(" (there more than once)", style="red")
    return author


def _troubles(experiment: Experiment) -> Iterator[RenderableType]:
    troubled = [record for record in experiment.audit.records if record.verdict is not _GOOD]
    if not troubled:
        return
    yield Text("Not as it should be" if _any_present(troubled) else "Missing", style="bold")
    found = {
        (attempt.worker, attempt.transaction): (attempt, blame)
        for attempt, blame in zip(experiment.attempts, experiment.blames, strict=True)
    }
    for record in troubled[:_MOST_TROUBLES]:
        tried = found.get((record.worker, record.transaction))
        yield Padding(_trouble(experiment, record, tried), (0, 0, 1, _INDENT), expand=False)
    hidden = len(troubled) - _MOST_TROUBLES
    if hidden > 0:
        yield Padding(
            Text(f"… and {hidden} more; all are in run.json", style="dim"), (0, 0, 1, _INDENT)
        )


def _any_present(records: Iterable[AuditedRecord]) -> bool:
    return any(record.present for record in records)


def _trouble(
    experiment: Experiment, record: AuditedRecord, tried: tuple[Attempt, Blame] | None
) -> RenderableType:
    head = Text.assemble((record.record, "bold"), f" (P{record.worker}): ", (record.verdict, "red"))
    if tried is None:
        return Group(head)
    attempt, blame = tried
    if attempt.error:
        head.append(f", {attempt.error}")
        if attempt.code is not None:
            head.append(f" (SQLite code {attempt.code})", style="dim")
    if attempt.source:
        head.append(f", at {_short(attempt.source)}")
    return Group(head, *(_waiting(experiment, attempt, blame) if _waited(attempt) else ()))


def _waited(attempt: Attempt) -> bool:
    """Whether locks had to do with how an attempt ended: refused by one, or cut off."""
    if attempt.code is None:
        return attempt.outcome is State.UNKNOWN
    return attempt.code & _PRIMARY in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _waiting(experiment: Experiment, attempt: Attempt, blame: Blame) -> Iterator[Text]:
    seconds = (attempt.ended_ns - attempt.began_ns) / _NS
    yield Text(f"  waited {blame.waited_ns / _NS:.2f} s for the lock, of {seconds:.2f} s in all")
    shown = _worst_of_each(blame.blockers)
    for blocker in shown[:_MOST_BLOCKERS]:
        yield from _blocker(experiment, blocker)
    if len(shown) > _MOST_BLOCKERS:
        yield Text(f"  and {len(shown) - _MOST_BLOCKERS} more held it meanwhile", style="dim")


def _worst_of_each(blockers: Iterable[Blocker]) -> list[Blocker]:
    worst: dict[int, Blocker] = {}
    for blocker in blockers:
        worst.setdefault(blocker.pid, blocker)
    return list(worst.values())


def _blocker(experiment: Experiment, blocker: Blocker) -> Iterator[Text]:
    worker = experiment.worker_of(blocker.pid)
    who = f"pid {blocker.pid}" if worker is None else f"P{worker} (pid {blocker.pid})"
    yield Text.assemble(
        "  meanwhile ",
        (who, "bold yellow"),
        f" held {blocker.resource}, {blocker.mode}, for {blocker.seconds:.2f} s",
    )
    if blocker.statement or blocker.source:
        under = f"under {blocker.statement}" if blocker.statement else "under a statement unknown"
        place = f", at {_short(blocker.source)}" if blocker.source else ""
        yield Text(f"    {under}{place}", style="dim")


def _short(source: str) -> str:
    path, _, line = source.rpartition(":")
    return f"{Path(path).name}:{line}"


def _ends(experiment: Experiment) -> Iterator[RenderableType]:
    bad = [end for end in experiment.workers if not end.orderly]
    if not bad:
        return
    yield Text("Workers that did not end by themselves", style="bold")
    ways = Counter(end.sentence for end in bad)
    if len(bad) > _MOST_TROUBLES:
        for sentence, times in ways.most_common(_MOST_FINDINGS):
            yield Padding(Text(f"{times} times: {sentence}"), (0, 0, 0, _INDENT), expand=False)
    else:
        for end in bad:
            line = Text.assemble((f"P{end.worker}", "bold"), f" (pid {end.pid}) {end.sentence}")
            yield Padding(line, (0, 0, 0, _INDENT), expand=False)
    yield Text()


def _findings(experiment: Experiment) -> Iterator[RenderableType]:
    if not experiment.findings:
        return
    yield Text("Why", style="bold")
    for finding in experiment.findings[:_MOST_FINDINGS]:
        line = Text.assemble(
            (f"{finding.cause} ", "dim"),
            f"{finding.title}, {_times(finding.count, 'time', 'times')}; would a longer timeout "
            f"help: {finding.timeout_helps}. {finding.remedy}",
        )
        yield Padding(line, (0, 0, 0, _INDENT), expand=False)
    yield Text()


def _closing(experiment: Experiment) -> Iterator[RenderableType]:
    waited = [blame.waited_ns / _NS for blame in experiment.blames]
    tried = Counter(attempt.outcome.value for attempt in experiment.attempts)
    totals = ", ".join(f"{count} {outcome}" for outcome, count in sorted(tried.items()))
    longest = max(waited, default=0.0)
    yield Text(
        f"{len(experiment.attempts)} attempts: {totals or 'none'}; "
        f"waited {sum(waited):.2f} s in all, {longest:.2f} s at most."
    )
    for note in experiment.notes:
        yield Text(note, style="yellow")
    yield Text()
    sentence, command = next_step(experiment)
    yield Text.assemble(("Next: ", "bold"), sentence)
    if command:
        yield Text(f"  {command}", style="bold cyan", no_wrap=True, overflow="ignore")
    # Never wrapped: a path or a command that is broken in two cannot be copied.
    folder = str(experiment.folder)
    yield Text.assemble(("Kept in: ", "bold"), folder, no_wrap=True, overflow="ignore")


def _times(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
