"""The live display of an experiment: one line a worker, on standard error."""

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lockscope.lab.events import Event, State
from lockscope.lab.plan import Plan

__all__ = ["Progress"]

_REFRESH_PER_S: Final = 10
_NS: Final = 1_000_000_000
_STYLES: Final = {
    State.HOLDING: "bold yellow",
    State.ASKING: "cyan",
    State.FAILED: "red",
    State.UNKNOWN: "red",
    State.KILLED: "bold red",
    State.COMMITTED: "green",
    State.DONE: "green",
    State.THINKING: "dim",
}
_URGENT: Final = (State.HOLDING, State.KILLED, State.ASKING, State.FAILED, State.UNKNOWN)
"""What is shown first where not all workers have room."""
_OUTCOMES: Final = {State.COMMITTED: "green", State.FAILED: "red", State.UNKNOWN: "red"}
_MOST_MARKS: Final = 20


@dataclass(slots=True)
class _Line:
    worker: int
    state: State = State.STARTED
    since_ns: int = 0
    record: str = ""
    message: str = ""
    marks: tuple[State, ...] = ()

    def hear(self, event: Event) -> None:
        self.state = event.state
        self.since_ns = event.at_ns
        self.record = event.record or self.record
        self.message = event.message
        if event.state in _OUTCOMES:
            self.marks = (*self.marks, event.state)


class Progress:
    """The display; a context manager.

    Args:
        plan: What is run.
        console: Where it is shown; standard error by default.
    """

    def __init__(self, plan: Plan, console: Console | None = None) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._lines = {number: _Line(number) for number in range(1, plan.processes + 1)}
        self._holder = 0
        self._console = console or Console(stderr=True)
        self._live = Live(
            console=self._console,
            refresh_per_second=_REFRESH_PER_S,
            transient=True,
            get_renderable=self._render,
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def hear(self, event: Event) -> None:
        """Take in what a worker said; it shows at the next refresh."""
        with self._lock:
            line = self._lines[event.worker]
            over = event.state is State.ENDED and line.state in {State.DONE, State.KILLED}
            if not over:
                line.hear(event)
            if event.state is State.HOLDING:
                self._holder = event.worker
            elif self._holder == event.worker:
                self._holder = 0

    def _render(self) -> RenderableType:
        with self._lock:
            table = Table.grid(padding=(0, 2))
            table.add_column(justify="right", style="bold")
            table.add_column(no_wrap=True)
            table.add_column(overflow="ellipsis", no_wrap=True)
            table.add_column(justify="right")
            shown = self._shown()
            for line in shown:
                table.add_row(*self._cells(line))
            hidden = len(self._lines) - len(shown)
            if hidden:
                table.add_row("", "", Text(f"and {hidden} more", style="dim"), "")
            return table

    def _shown(self) -> list[_Line]:
        room = max(3, self._console.height - 2)
        lines = list(self._lines.values())
        if len(lines) <= room:
            return lines
        order = {state: place for place, state in enumerate(_URGENT)}
        urgent = sorted(lines, key=lambda line: (order.get(line.state, len(order)), line.worker))
        return sorted(urgent[: room - 1], key=lambda line: line.worker)

    def _cells(self, line: _Line) -> tuple[Text, Text, Text, Text]:
        busy = line.state in {State.HOLDING, State.ASKING, State.THINKING}
        seconds = (time.monotonic_ns() - line.since_ns) / _NS if busy and line.since_ns else 0.0
        style = _STYLES.get(line.state, "dim")
        return (
            Text(f"P{line.worker}"),
            self._bar(line, seconds),
            Text(self._words(line), style=style),
            Text(f"{seconds:.1f} s" if busy else "", style="dim"),
        )

    def _bar(self, line: _Line, seconds: float) -> Text:
        marks = line.marks[-_MOST_MARKS:]
        bar = Text.assemble(*(("━━", _OUTCOMES[mark]) for mark in marks))
        if line.state in {State.HOLDING, State.ASKING}:
            blink = line.state is State.HOLDING or int(seconds * 2) % 2 == 0
            bar.append("━━" if blink else "╺╸", style=_STYLES[line.state])
        planned = 2 * min(self._plan.records, _MOST_MARKS)
        bar.append("━" * max(0, planned - len(bar)), style="bright_black")
        return bar

    def _words(self, line: _Line) -> str:
        if line.state is State.ASKING:
            waits_for = self._holder if self._holder != line.worker else 0
            return f"{line.record}: waiting" + (f" for P{waits_for}" if waits_for else "")
        if line.state is State.HOLDING:
            return f"{line.record}: holding"
        if line.state in {State.FAILED, State.UNKNOWN}:
            return f"{line.record}: {line.state}, {line.message}"
        if line.state is State.COMMITTED:
            return f"{line.record}: committed"
        if line.state in {State.KILLED, State.ENDED}:
            return line.message
        failed = len(line.marks) - line.marks.count(State.COMMITTED)
        return line.state.value + (f", {failed} not committed" if failed else "")
