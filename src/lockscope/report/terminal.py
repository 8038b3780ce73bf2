"""The report for a terminal: completeness, findings, who made whom wait, the longest holds, the
processes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, TextIO

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lockscope.analysis import Analysis, Deadlock, WaitEnd, analyse
from lockscope.interpret import interpret
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot, lock_name
from lockscope.report.json import ENDED_BY
from lockscope.trace.model import Trace
from lockscope.trace.reader import read_trace

__all__ = ["console_for", "print_report", "render", "seconds"]

_ROWS: Final = 12
"""Rows of a table; what is left out is counted below it, and `--json` has all."""
_PLAIN_WIDTH: Final = 110
"""Columns where there is no terminal to ask."""
_END_STYLE: Final = {
    WaitEnd.GRANTED: "green",
    WaitEnd.TIMED_OUT: "red",
    WaitEnd.REFUSED: "red",
    WaitEnd.KILLED: "magenta",
    WaitEnd.UNFINISHED: "yellow",
}


def print_report(folder: Path, out: TextIO) -> None:
    """Read a trace, analyse it and write the report."""
    trace = read_trace(folder)
    render(trace, analyse(interpret(trace)), out)


def render(trace: Trace, analysis: Analysis, out: TextIO) -> None:
    """Write the report."""
    console = console_for(out)
    for line in _head(trace, analysis):
        console.print(line)
    for part in (
        _findings(analysis),
        _deadlocks(analysis),
        _waits(analysis),
        _holds(analysis),
        _processes(analysis),
    ):
        for piece in part:
            console.print(piece)
    console.print(f"\nTrace: {escape(str(trace.path))}", soft_wrap=True)


def console_for(out: TextIO) -> Console:
    """A console that writes to a stream, wide enough for a table where the stream is no
    terminal."""
    return Console(file=out, width=None if out.isatty() else _PLAIN_WIDTH, highlight=False)


def seconds(value: float) -> str:
    """A duration as people read it: three significant places at most."""
    if value >= 100:
        return f"{value:,.0f} s"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"


def _head(trace: Trace, analysis: Analysis) -> Iterable[str]:
    source = analysis.source
    duration = seconds((source.ended_ns - source.began_ns) / 1e9)
    databases = (
        ", ".join(escape(path) for path in source.databases) or "no SQLite database was locked"
    )
    yield f"[bold]{escape(' '.join(trace.manifest.command))}[/]"
    yield (
        f"{_count(len(source.processes), 'process', 'processes')}, {duration}, "
        f"{_count(len(source.events), 'lock event')}; {databases}"
    )
    if source.inferred:
        yield "[yellow]No locks were recorded: what follows is inferred from statements.[/]"
    unexplained = _unexplained(analysis)
    if unexplained:
        yield (
            f"[yellow]{_count(unexplained, 'wait')} had nobody recorded in the way: a process outside this "
            "trace held the lock.[/]"
        )
    if not source.gaps:
        yield "Nothing recorded is missing from what follows."
    for gap in source.gaps:
        yield f"[yellow]Gap: {escape(gap.sentence)}[/]"


def _unexplained(analysis: Analysis) -> int:
    explained = np.isin(np.arange(len(analysis.waits)), analysis.blocks["wait"])
    return int((~explained).sum())


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _findings(analysis: Analysis) -> Iterable[str]:
    for finding in analysis.findings:
        yield (
            f"\n[bold red]{finding.cause} {finding.title}[/] ({_count(finding.count, 'time')}, {finding.confidence}; "
            f"would a longer timeout help: {finding.timeout_helps})"
        )
        yield f"  {escape(finding.sentence)}"
        yield f"  [bold]Try:[/] {escape(finding.remedy)}"


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


def _waits(analysis: Analysis) -> Iterable[Table | str]:
    waits = analysis.waits
    if not len(waits):
        yield "\nNobody waited."
        return
    ends = [
        f"{_count(int(n), 'wait')} {WaitEnd(e).title}"
        for e, n in zip(*np.unique(waits["end"], return_counts=True), strict=True)
    ]
    waited = int((waits["ended_ns"] - waits["began_ns"]).sum()) / 1e9
    yield f"\n[bold]Who made whom wait[/]: {', '.join(ends)}; {seconds(waited)} in all (inferred from denied attempts)"
    table = _table(
        "waiter", "waited", "for", "end", "blocker, its lock, the statement that took it"
    )
    length = waits["ended_ns"] - waits["began_ns"]
    worst = np.lexsort((-length.astype(np.int64), waits["end"] == WaitEnd.GRANTED))[:_ROWS]
    for wait in worst.tolist():
        table.add_row(*_wait_row(analysis, wait))
    yield table
    yield from _left_out(len(waits))


def _wait_row(analysis: Analysis, wait: int) -> tuple[str, ...]:
    row, source = analysis.waits[wait], analysis.source
    end = WaitEnd(int(row["end"]))
    blockers = [
        f"{blocker.pid} {escape(_held(blocker.resource, blocker.mode))} {seconds(blocker.seconds)}"
        f"{_place(blocker.statement, blocker.source)}"
        for blocker in analysis.blockers(wait)[:3]
    ]
    chain = analysis.chain(wait)
    if len(chain) > 2:
        blockers.append("root blocker: " + str(source.processes[chain[-1]].pid))
    return (
        str(source.processes[int(row["process"])].pid)
        + _place(*_context(analysis, int(row["context"]))),
        seconds(int(row["ended_ns"] - row["began_ns"]) / 1e9),
        f"{_lock(analysis, row)} ({row['attempts']}x)",
        f"[{_END_STYLE[end]}]{end.title}[/]",
        "\n".join(blockers) or "[yellow]nobody in this trace[/]",
    )


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


def _place(statement: str | None, source: str | None) -> str:
    lines = []
    if statement:
        lines.append(f"  [cyan]{escape(_short(statement))}[/]")
    if source:
        lines.append(f"  [dim]{escape(source)}[/]")
    return "".join("\n" + line for line in lines)


def _short(statement: str, most: int = 60) -> str:
    line = " ".join(statement.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _holds(analysis: Analysis) -> Iterable[Table | str]:
    holds = analysis.holds
    slots = np.array([resource.slot for resource in analysis.source.resources], np.int64)
    writing = (holds["mode"] == LockMode.EXCLUSIVE) & np.isin(
        slots[holds["resource"]], (Slot.RESERVED, Slot.PENDING, Slot.SHARED, Slot.WAL_WRITE)
    )
    chosen = np.flatnonzero(writing)
    if not len(chosen):
        return
    length = (holds["ended_ns"] - holds["began_ns"])[chosen]
    yield f"\n[bold]Longest holds[/] of a write lock, of {_count(len(chosen), 'hold')}"
    table = _table("holder", "held", "lock", "ended by", "the statement that took it")
    for hold in chosen[np.argsort(-length.astype(np.int64), kind="stable")][: _ROWS // 2].tolist():
        table.add_row(*_hold_row(analysis, hold))
    yield table


def _hold_row(analysis: Analysis, hold: int) -> tuple[str, ...]:
    row = analysis.holds[hold]
    return (
        str(analysis.source.processes[int(row["process"])].pid),
        seconds(int(row["ended_ns"] - row["began_ns"]) / 1e9),
        _lock(analysis, row),
        ENDED_BY[int(row["cause"])],
        _place(*_context(analysis, int(row["context"]))).strip(),
    )


def _processes(analysis: Analysis) -> Iterable[Table | str]:
    source = analysis.source
    blamed = analysis.waiter_seconds
    waited = np.bincount(
        analysis.waits["process"],
        (analysis.waits["ended_ns"] - analysis.waits["began_ns"]).astype(np.float64),
        len(source.processes),
    )
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
            escape(_short(process.command)),
        )
    yield table
    yield from _left_out(len(ranked))


def _left_out(count: int) -> Iterable[str]:
    if count > _ROWS:
        yield f"  and {count - _ROWS:,} more (`--json` has all)"


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
