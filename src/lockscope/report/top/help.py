"""What the screen means, and which keys there are."""

import textwrap
from typing import Final

from rich.segment import Segment

from lockscope.live.lanes import Mark
from lockscope.report.top.lines import BOLD, Line
from lockscope.report.top.page import Page
from lockscope.report.top.palette import LEGEND, LOOKS

__all__ = ["Help"]

_MEANINGS: Final = {
    Mark.EXCLUSIVE: "has the file for itself: nobody may read or write",
    Mark.PENDING: "wants to commit: lets no new reader in, waits for those that read",
    Mark.WRITE: "is in a write transaction: nobody else may begin one",
    Mark.CHECKPOINT: "copies the write-ahead log into the database",
    Mark.READ: "reads; without a write-ahead log, a commit has to wait for it",
    Mark.WAIT: "waits for a lock, as far as that can be seen from outside",
    Mark.OPEN: "has the database open, in nobody's way",
    Mark.NOTHING: "holds nothing",
}
_KEYS: Final = (
    ("q, Ctrl-C", "quit; what was not saved is removed"),
    ("space", "stand still, and go on; recording goes on meanwhile"),
    ("s", "sort: by lock (who is in the way first), time held, pid, command"),
    ("/", "filter by words of a command, pid, user, database, lock; Escape clears"),
    ("↑ ↓ PgUp PgDn", "select a process"),
    ("enter", "all about it: locks, what it is doing, its Python stack"),
    ("w", "save all since the start as a trace, for `lockscope report`"),
)
_LANES: Final = (
    "One lane a process: what it held in the last minute, now at the right. A capital fills its "
    "part of the minute, a small letter a part of that."
)
_SAMPLED: Final = (
    "Locks are sampled: a hold between two samples is not seen, and one that ends and begins anew "
    "between two looks like one: FOR with a ~ is so long seen in each sample, and with a > proved "
    "for at least so long."
)


class Help(Page):
    """The page of help."""

    def __init__(self) -> None:
        super().__init__("lockscope top: what it shows")

    def text(self, width: int) -> list[Line]:
        """The lines of the page."""
        lines = [*_wrapped(_LANES, width), []]
        for mark in (*LEGEND, Mark.NOTHING):
            look = LOOKS[mark]
            first, *more = textwrap.wrap(f"{look.word}: {_MEANINGS[mark]}", max(20, width - 6))
            lines.append([Segment(f"  {look.letter}", look.style), Segment(f"  {first}")])
            lines += [[Segment(f"     {part}")] for part in more]
        lines += [[], *_wrapped(_SAMPLED, width), []]
        for key, what in _KEYS:
            first, *more = textwrap.wrap(what, max(20, width - 19))
            lines.append([Segment(f"  {key:<15}", BOLD), Segment(first)])
            lines += [[Segment(f"{'':17}{part}")] for part in more]
        return lines


def _wrapped(text: str, width: int) -> list[Line]:
    return [[Segment(part)] for part in textwrap.wrap(text, max(20, width - 1))]
