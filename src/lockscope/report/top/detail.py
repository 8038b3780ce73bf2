"""One process alone: its lane in the full width, and all that is known of it."""

import asyncio
import textwrap
from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType

from lockscope.errors import LockscopeError
from lockscope.live.lanes import Lane, Mark
from lockscope.live.model import Snapshot
from lockscope.live.moment import Moment, Row
from lockscope.report.plain import printable, seconds_text
from lockscope.report.top.drawing import axis, lane_line, legend
from lockscope.report.top.lines import Line
from lockscope.report.top.page import Page
from lockscope.report.top.palette import LOOKS
from lockscope.report.who import lines_about
from lockscope.report.who_advice import next_step
from lockscope.report.who_words import headline

__all__ = ["Detail", "detail_lines"]


class Detail(Page):
    """The page of one process.

    Args:
        moment: When it was looked at.
        row: The process.
        look_closer: Looks at its database once more, for the Python stack; None while the screen
            stands still: that moment is over.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "again", "look again")]
    keys = (*Page.keys, ("r", "look again"))

    def __init__(
        self, moment: Moment, row: Row, look_closer: Callable[[str], Snapshot] | None
    ) -> None:
        name = row.database.rpartition("/")[2]
        super().__init__(printable(f"pid {row.process.pid or '?'} on {name}, at {moment.at}"))
        self._moment = moment
        self._row = row
        self._look_closer = look_closer
        found = (one.snapshot for one in moment.watched if one.path == row.database)
        self._snapshot = next(found, None)
        self._problem = ""

    def on_mount(self) -> None:
        """Look closer, while what is known is there to be read."""
        self.run_worker(self.action_again())

    async def action_again(self) -> None:
        """Look again, at what the process is doing now."""
        if self._look_closer is None:
            return
        try:
            # In a thread: reading a stack can take two seconds of a process that is swapped out.
            self._snapshot = await asyncio.to_thread(self._look_closer, self._row.database)
        except LockscopeError as error:
            self._problem = str(error)
        self.draw()

    def text(self, width: int) -> list[Line]:
        """The lines of the page."""
        return detail_lines(self._moment, self._row, self._snapshot, self._problem, width)


def detail_lines(
    moment: Moment, row: Row, snapshot: Snapshot | None, problem: str, width: int
) -> list[Line]:
    """All that is known of one process, as lines.

    Args:
        moment: When the minute of its lane ends.
        row: The process.
        snapshot: What its database's last snapshot says; None where there is none.
        problem: Why there is no newer one; empty where there is.
        width: Columns.
    """
    words = [_minute(row.lane, moment.now_ns), ""]
    if problem:
        words += [problem, ""]
    if snapshot is not None:
        words += lines_about(snapshot, row.process, _held(row)) or [_nothing(row)]
        words += ["", headline(snapshot)]
        words += [snapshot.wal.sentence] if snapshot.wal is not None else []
        words += [printable(note) for note in snapshot.notes]
        step = next_step(snapshot)
        words += [f"Next: {step}"] if step else []
    lines = [lane_line(row.lane, moment.now_ns, width), axis(width, 0), legend(width), []]
    for line in words:
        lines += [[Segment(part)] for part in _wrapped(line, width)]
    return lines


def _held(row: Row) -> str:
    if row.held_s is None or row.how != "sampled":
        return ""
    return f"held in each sample for {seconds_text(row.held_s)}"


def _nothing(row: Row) -> str:
    if row.process.state == "gone":
        return f"pid {row.process.pid} has ended: {printable(row.process.command)}"
    return f"pid {row.process.pid} holds nothing at this moment: {printable(row.process.command)}"


def _minute(lane: Lane, now_ns: int) -> str:
    """How often, how long in all, and how long at most it had each mark in the last minute."""
    spans: dict[Mark, list[int]] = {}
    for (began_ns, mark), (ended_ns, _) in pairwise((*lane.steps, (now_ns, Mark.ABSENT))):
        if mark >= Mark.WAIT:
            spans.setdefault(mark, []).append(ended_ns - began_ns)
    told = [
        f"{LOOKS[mark].word} {len(found)} time{'' if len(found) == 1 else 's'}, "
        f"{seconds_text(sum(found) / 1e9)} in all, {seconds_text(max(found) / 1e9)} at most"
        for mark, found in sorted(spans.items(), reverse=True)
    ]
    return "In the last minute: " + ("; ".join(told) or "nothing that is in anybody's way")


def _wrapped(line: str, width: int) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(line, max(20, width - 1), subsequent_indent=indent + "  ") or [""]
