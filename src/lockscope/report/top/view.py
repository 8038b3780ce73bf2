"""What a person chose to see, and which rows that leaves, in which order. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lockscope.live.lanes import Lane, Mark
from lockscope.live.moment import Moment, Row

__all__ = ["ORDERS", "Key", "View", "arranged", "key_of", "seconds_held", "selected_place"]

Key = tuple[str, int]
"""Database and pid of a row."""
_LASTS_S: Final = 1.0
"""What is held for longer moves to the top; less, and rows would change places all the time."""


@dataclass(frozen=True, slots=True)
class View:
    """What a person chose.

    Attributes:
        order: One of `ORDERS`.
        words: Rows must have all of these words in them; empty for all rows.
        selected: The row that is selected; None for the first.
        is_paused: Whether the screen stands still.
        is_typing: Whether the filter is being typed.
        note: What there is to say, until the next key.
    """

    order: str = "lock"
    words: str = ""
    selected: Key | None = None
    is_paused: bool = False
    is_typing: bool = False
    note: str = ""


def key_of(row: Row) -> Key:
    """What tells a row from others."""
    return row.database, row.process.pid


def selected_place(rows: tuple[Row, ...], view: View) -> int:
    """Which row is selected: the first, where the one that was is no longer there."""
    keys = [key_of(row) for row in rows]
    return keys.index(view.selected) if view.selected in keys else 0


def arranged(moment: Moment, view: View) -> tuple[Row, ...]:
    """The rows that match, in order."""
    blockers = {pid for row in moment.rows for pid in row.blockers}
    rank = dict(ORDERS)[view.order]
    words = view.words.lower().split()
    rows = [row for row in moment.rows if all(word in _text_of(row) for word in words)]
    return tuple(sorted(rows, key=lambda row: rank(row, blockers, moment.now_ns)))


def seconds_held(lane: Lane, now_ns: int) -> float:
    """For how many seconds of the last minute a process held something that can be in the way."""
    ends = [*(at_ns for at_ns, _ in lane.steps[1:]), now_ns]
    spans = zip(lane.steps, ends, strict=True)
    return sum(end - began for (began, mark), end in spans if mark >= Mark.READ) / 1e9


def _text_of(row: Row) -> str:
    process = row.process
    words = (row.database, str(process.pid), process.command, process.user or "", process.state)
    return " ".join((*words, *row.locks, row.wants, row.doing)).lower()


_Rank = Callable[[Row, set[int], int], tuple[float | str, ...]]


def _by_lock(row: Row, blockers: set[int], _now_ns: int) -> tuple[float | str, ...]:
    """Who is in the way of others, who holds a write lock for long, who waits, who reads."""
    lasts = row.held_s is not None and row.held_s >= _LASTS_S
    mark = row.lane.mark
    ranks = (
        row.process.pid in blockers,
        lasts and mark >= Mark.CHECKPOINT,
        bool(row.wants),
        lasts,
        mark is not Mark.ABSENT,
    )
    rank = ranks.index(True) if True in ranks else len(ranks)
    return rank, row.lane.since_ns or 0 if lasts else 0


def _by_time(row: Row, _blockers: set[int], now_ns: int) -> tuple[float | str, ...]:
    return (-seconds_held(row.lane, now_ns),)


def _by_pid(row: Row, _blockers: set[int], _now_ns: int) -> tuple[float | str, ...]:
    return (row.process.pid,)


def _by_command(row: Row, _blockers: set[int], _now_ns: int) -> tuple[float | str, ...]:
    return row.process.command.lower(), row.process.pid


ORDERS: Final[tuple[tuple[str, _Rank], ...]] = (
    ("lock", _by_lock),
    ("time", _by_time),
    ("pid", _by_pid),
    ("command", _by_command),
)
"""In the order in which the key goes through them: who is in the way first; most time held in the
last minute first; by number; by command line. Rows that are equal stay as they were met."""
