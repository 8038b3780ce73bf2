"""The report for a terminal: completeness, findings, who made whom wait, the longest holds, the
processes.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Final, TextIO

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from lockscope.analysis import Analysis, Deadlock, WaitEnd
from lockscope.analysis.removals import find_removals, removal_sentence
from lockscope.interpret.model import Cause, Events, Sampling, Verdict
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot, lock_name
from lockscope.report.console import console_for
from lockscope.report.findings import finding_lines
from lockscope.report.json import ENDED_BY
from lockscope.report.phrases import count, relative, seconds, short
from lockscope.report.progress_bar import analysed
from lockscope.trace.kinds import ERROR_WITHOUT_CODE
from lockscope.trace.model import Trace
from lockscope.trace.rows import lexical_order, pairs, runs, stable_order

__all__ = ["brief", "print_report", "render", "render_troubles", "seconds"]

_ROWS: Final = 12
"""Rows of a table; what is left out is counted below it, and `--json` has all."""
_UNTIL: Final[dict[int, str]] = {Cause.TRACE_ENDED: "the end of the trace"}
"""Ends of a hold that are not the holder's own."""
_END_STYLE: Final = {
    WaitEnd.GRANTED: "green",
    WaitEnd.TIMED_OUT: "red",
    WaitEnd.REFUSED: "red",
    WaitEnd.KILLED: "magenta",
    WaitEnd.UNFINISHED: "yellow",
}


def print_report(folder: Path, out: TextIO | None) -> Analysis:
    """Read a trace, analyse it and write the report, where there is anything to write it to."""
    trace, analysis = analysed(folder)
    if out is not None:
        render(trace, analysis, out)
    return analysis


def render(trace: Trace, analysis: Analysis, out: TextIO, *, everything: bool = False) -> None:
    """Write the report.

    Args:
        trace: The trace.
        analysis: Its analysis.
        out: Where to.
        everything: Tell of each finding every occurrence, step by step.
    """
    console = console_for(out)
    for line in _head(trace, analysis):
        console.print(line)
    parts = (
        _troubles(trace, analysis, everything=everything),
        _holds(trace, analysis),
        _removals(trace, analysis),
        _processes(analysis),
    )
    for piece in chain.from_iterable(parts):
        console.print(piece)
    console.print(f"\nTrace: {escape(str(trace.path))}", soft_wrap=True)


def render_troubles(trace: Trace, analysis: Analysis, out: TextIO) -> None:
    """Write only what went wrong: findings, deadlocks, waits and errors; nothing where nothing
    did.
    """
    failed = np.any(analysis.source.statements["error"])
    if not (analysis.has_findings or len(analysis.waits) or failed):
        return
    console = console_for(out)
    for piece in _troubles(trace, analysis):
        console.print(piece)


def brief(analysis: Analysis) -> str:
    """How many causes were found, and which, in a sentence."""
    if not analysis.findings:
        return "no finding."
    causes = ", ".join(finding.cause for finding in analysis.findings)
    return f"{count(len(analysis.findings), 'finding')} ({causes})."


def _head(trace: Trace, analysis: Analysis) -> Iterable[str]:
    source = analysis.source
    duration = seconds((source.ended_ns - source.began_ns) / 1e9)
    requests = int((source.events["verdict"] != Verdict.RELEASED).sum())
    sampled = source.sampling is not None and source.sampling.alone
    databases = (
        ", ".join(escape(path) for path in source.databases) or "no SQLite database was locked"
    )
    yield f"[bold]{escape(' '.join(trace.manifest.command))}[/]"
    yield (
        f"{count(sum(p.watched for p in source.processes), 'process', 'processes')} with a "
        f"database, of which {len(np.unique(source.events['process']))} locked one; {duration}, "
        f"{count(requests, 'hold' if sampled else 'lock request')}; {databases}"
    )
    if source.inferred:
        yield "[yellow]No locks were recorded: what follows is inferred from statements.[/]"
    unexplained = _unexplained(analysis)
    if unexplained:
        yield (
            f"[yellow]{count(unexplained, 'wait')} had nobody recorded in the way: a process "
            "outside this trace held the lock.[/]"
        )
    if source.sampling and sampled:
        yield from _sampled_alone(source.sampling)
    elif not source.gaps and not source.inferred:
        yield "Nothing recorded is missing from what follows."
    for gap in source.gaps:
        yield f"[yellow]Gap: {escape(gap.sentence)}[/]"


def _sampled_alone(sampling: Sampling) -> Iterable[str]:
    yield (
        f"[yellow]Seen by sampling /proc/locks {count(sampling.count, 'time')}, every "
        f"{seconds(sampling.mean_ns / 1e9)} ({seconds(sampling.longest_ns / 1e9)} at worst): a "
        "shorter hold may be missed, and times are known to that.[/]"
    )
    yield (
        "[yellow]Who waits cannot be seen so: SQLite asks again and again and never waits in the "
        "kernel.[/]"
    )
    for note in sampling.notes:
        yield f"[yellow]Note: {escape(note)}[/]"


def _unexplained(analysis: Analysis) -> int:
    explained = np.isin(np.arange(len(analysis.waits)), analysis.blocks["wait"])
    return int((~explained & (analysis.waits["inside"] == 0)).sum())


def _troubles(trace: Trace, analysis: Analysis, *, everything: bool = False) -> Iterable[str]:
    yield from finding_lines(analysis.findings, trace.manifest.folder, everything=everything)
    yield from _deadlocks(analysis)
    yield from _waits(trace, analysis)
    yield from _errors(trace, analysis)


def _deadlocks(analysis: Analysis) -> Iterable[str]:
    for deadlock in analysis.deadlocks[:_ROWS]:
        yield f"\n[bold red]Deadlock[/] {_cycle(analysis, deadlock)}"


def _cycle(analysis: Analysis, deadlock: Deadlock) -> str:
    source = analysis.source
    steps = []
    for place, wait in zip(deadlock.processes, deadlock.waits, strict=True):
        resource = source.resources[int(analysis.waits["resource"][wait])].title
        steps.append(f"{source.processes[place].pid} waits for {escape(resource)}")
    victim = deadlock.victim
    lost = "" if victim is None else f"; {source.processes[victim].pid} gave up first"
    at = seconds((deadlock.at_ns - source.began_ns) / 1e9)
    return (
        f"after {at}: "
        + ", held by ".join([*steps, str(source.processes[deadlock.processes[0]].pid)])
        + lost
    )


def _waits(trace: Trace, analysis: Analysis) -> Iterable[str]:
    waits = analysis.waits
    if not len(waits):
        sampling = analysis.source.sampling
        if not (sampling and sampling.alone):
            yield "\nNobody waited."
        return
    counts = zip(*np.unique(waits["end"], return_counts=True), strict=True)
    ends = ", ".join(f"{number:,} {WaitEnd(int(end)).title}" for end, number in counts)
    waited = int(_length(waits).sum()) / 1e9
    yield (
        f"\n[bold]Who made whom wait[/]: {count(len(waits), 'wait')} ({ends}), "
        f"{seconds(waited)} in all, inferred from denied attempts"
    )
    groups = _groups(analysis)
    for group in groups[:_ROWS]:
        yield from _wait_lines(trace, analysis, group)
    yield from _left_out(len(groups))


def _length(rows: Events) -> NDArray[np.int64]:
    length: NDArray[np.int64] = (rows["ended_ns"] - rows["began_ns"]).astype(np.int64)
    return length


def _groups(analysis: Analysis) -> list[NDArray[np.int64]]:
    """The waits of one process at one statement for one resource that ended alike, those that
    failed first.
    """
    waits = analysis.waits
    length = _length(waits)
    # The worst of each first: failed, then longest.
    order = lexical_order(-length, (waits["end"] == WaitEnd.GRANTED).astype(np.uint8))
    groups = _alike(waits, ("end", "process", "resource", "context"), order)
    granted = int(WaitEnd.GRANTED)
    return sorted(
        groups,
        key=lambda group: (waits["end"][group[0]] == granted, -int(length[group].sum())),
    )


def _wait_lines(trace: Trace, analysis: Analysis, group: NDArray[np.int64]) -> Iterable[str]:
    row, source = analysis.waits[group[0]], analysis.source
    yield f"\n[bold]{_pid(analysis, row)}[/] {_what_became(analysis, group)}"
    yield from _place(trace, "  ", *_context(analysis, int(row["context"])))
    blockers = analysis.blockers_of(group)
    for blocker in blockers[:3]:
        held = escape(_held(blocker.resource, blocker.mode))
        known = ", taken by" if blocker.statement or blocker.source else ""
        seen = _seen(analysis, blocker.pid)
        refused = row["end"] == WaitEnd.REFUSED
        when = "then" if refused else f"for {seconds(blocker.seconds)} of it"
        yield f"  {blocker.pid}{seen} held {held} {when}{known}"
        yield from _place(trace, "    ", blocker.statement, blocker.source)
    if row["inside"]:
        yield "  in one process: another of its connections was in the way, and no lock call denied"
    elif not blockers:
        yield "  [yellow]nobody in this trace held it[/]"
    steps = analysis.chain(int(group[0]))
    if len(steps) > 2:
        yield "  chain: " + " waits for ".join(str(source.processes[step].pid) for step in steps)


def _seen(analysis: Analysis, pid: int) -> str:
    """What tells a process that recorded nothing from those that did."""
    process = next(p for p in analysis.source.processes if p.pid == pid)
    command = escape(short(process.command) or "its command could not be read")
    return "" if process.recorded else f" ({command}), seen by sampling,"


def _what_became(analysis: Analysis, group: NDArray[np.int64]) -> str:
    """What became of waits that are alike: how long, for what, and their end."""
    row = analysis.waits[group[0]]
    end = WaitEnd(int(row["end"]))
    ended = f"[{_END_STYLE[end]}]{end.title}[/]"
    if end is WaitEnd.REFUSED:
        times = f", {len(group):,} times" if len(group) > 1 else ""
        return f"was {ended} {_lock(analysis, row)} at once{times}"
    waited = seconds(int(_length(analysis.waits[group]).sum()) / 1e9)
    many = f" in {len(group):,} waits" if len(group) > 1 else ""
    attempts = count(int(analysis.waits["attempts"][group].sum()), "attempt")
    return f"waited [bold]{waited}[/] for {_lock(analysis, row)}{many}: {ended} after {attempts}"


def _held(resource: str, mode: str) -> str:
    database, _, slot = resource.rpartition(" ")
    return f"{database} EXCLUSIVE" if slot == "SHARED" and mode == "exclusive" else resource


def _lock(analysis: Analysis, row: np.void) -> str:
    resource = analysis.source.resources[int(row["resource"])]
    name = lock_name(Slot(resource.slot), LockMode(int(row["mode"])))
    return escape(resource.title.removesuffix(Slot(resource.slot).title) + name)


def _context(analysis: Analysis, place: int) -> tuple[str | None, str | None]:
    context = analysis.source.contexts[place]
    return context.statement or None, context.source or None


def _place(trace: Trace, indent: str, statement: str | None, source: str | None) -> Iterable[str]:
    """One line with where and what, where either is known."""
    parts = []
    if source:
        parts.append(f"[cyan]{escape(relative(source, trace.manifest.folder))}[/]")
    if statement:
        parts.append(escape(short(statement)))
    if parts:
        yield indent + "  ".join(parts)


def _errors(trace: Trace, analysis: Analysis) -> Iterable[str]:
    """The errors that programs got from their driver, those alike told once."""
    source = analysis.source
    failed = source.statements[source.statements["error"] != 0]
    alike = Counter(
        zip(*(failed[name].tolist() for name in ("error", "message", "context")), strict=True)
    )
    if alike:
        yield f"\n[bold]Errors[/] that the programs were given: {len(failed):,}"
    for (code, message, context), often in alike.most_common(_ROWS):
        number = "" if code == ERROR_WITHOUT_CODE else f" (SQLite code {code})"
        times = f", {often:,} times" if often > 1 else ""
        text = escape(source.texts[message] or "an error without a message")
        yield f"\n[red]{text}[/]{number}{times}"
        yield from _place(trace, "  ", *_context(analysis, context))
    yield from _left_out(len(alike))


def _holds(trace: Trace, analysis: Analysis) -> Iterable[str]:
    holds = analysis.holds
    slots = np.array([resource.slot for resource in analysis.source.resources], np.int64)
    writing = (holds["mode"] == LockMode.EXCLUSIVE) & np.isin(
        slots[holds["resource"]], (Slot.RESERVED, Slot.PENDING, Slot.SHARED, Slot.WAL_WRITE)
    )
    chosen = np.flatnonzero(writing)
    if not len(chosen):
        return
    yield f"\n[bold]Longest holds[/] of a write lock, of {count(len(chosen), 'hold')}"
    length = _length(holds)[chosen]
    longest = chosen[stable_order(-length)]
    groups = _alike(holds, ("process", "resource", "context"), longest)
    for group in groups[: _ROWS // 2]:
        yield from _hold_lines(trace, analysis, group)
    yield from _silent(analysis, holds, chosen)


def _removals(trace: Trace, analysis: Analysis) -> Iterable[str]:
    """The files of databases that lost their names, those alike told once."""
    sentences = Counter(
        relative(removal_sentence(removed), trace.manifest.folder, anywhere=True)
        for removed in find_removals(analysis)
    )
    if sentences:
        yield f"\n[bold]Files[/] that lost their names: {sentences.total():,}"
    for sentence, often in sentences.most_common(_ROWS):
        yield f"  {escape(sentence)}" + (f" {often:,} times." if often > 1 else "")
    yield from _left_out(len(sentences))


def _silent(analysis: Analysis, holds: Events, chosen: NDArray[np.int64]) -> Iterable[str]:
    """The processes that wrote by a driver of which no statement was heard."""
    process, told = holds["process"][chosen], holds["context"][chosen] != 0
    silent = np.setdiff1d(process, process[told]).tolist()
    if not silent:
        return
    processes = analysis.source.processes
    commands = {Path((processes[place].command.split() or ["?"])[0]).name for place in silent}
    who = f"{count(len(silent), 'process', 'processes')} ({escape(', '.join(sorted(commands)))})"
    yield (
        f"\n[yellow]Which statements took the locks of {who} is not known[/]: "
        "their driver tells locks only"
    )


def _alike(
    rows: Events, names: tuple[str, ...], order: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """The places of rows that have some fields in common, in the given order, as are the groups."""
    key = np.zeros(len(order), np.uint64)
    for name in names:
        # Numbered anew after each field, so that all of them fit into one number.
        key = np.unique(pairs(key, rows[name][order]), return_inverse=True)[1].astype(np.uint64)
    by_key = stable_order(key)
    groups = np.split(order[by_key], runs(key[by_key])[1:-1])
    first = by_key[runs(key[by_key])[:-1]]
    return [groups[place] for place in np.argsort(first).tolist()]


def _hold_lines(trace: Trace, analysis: Analysis, group: NDArray[np.int64]) -> Iterable[str]:
    row = analysis.holds[group[0]]
    longest = seconds(int(_length(analysis.holds[group])[0]) / 1e9)
    many = f", the longest of {len(group):,} such holds" if len(group) > 1 else ""
    yield (
        f"\n[bold]{_pid(analysis, row)}[/]{_seen(analysis, _pid(analysis, row))} held "
        f"{_lock(analysis, row)} for [bold]{longest}[/], "
        f"until {_UNTIL.get(int(row['cause'])) or 'its ' + ENDED_BY[int(row['cause'])]}{many}"
    )
    yield from _place(trace, "  ", *_context(analysis, int(row["context"])))


def _pid(analysis: Analysis, row: np.void) -> int:
    return analysis.source.processes[int(row["process"])].pid


def _processes(analysis: Analysis) -> Iterable[Table | str]:
    source = analysis.source
    blamed = analysis.waiter_seconds
    waited = np.bincount(analysis.waits["process"], _length(analysis.waits), len(source.processes))
    seen = np.unique(source.events["process"]).tolist()
    if not seen:
        return
    yield "\n[bold]Processes[/], by the waiting they caused"
    table = _table("pid", "made others wait", "waited", "command")
    ranked = sorted(seen, key=lambda place: (-blamed.get(place, 0.0), -waited[place]))
    for place in ranked[:_ROWS]:
        process = source.processes[place]
        table.add_row(
            str(process.pid),
            seconds(blamed.get(place, 0.0)) if place in blamed else "-",
            seconds(waited[place] / 1e9) if waited[place] else "-",
            escape(short(process.command)),
        )
    yield table
    yield from _left_out(len(ranked))


def _left_out(count: int) -> Iterable[str]:
    if count > _ROWS:
        yield f"  and {count - _ROWS:,} more (`--json` has all)"


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
