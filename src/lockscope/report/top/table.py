"""The list of who holds what now: a line a process, in the columns that there is room for. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rich.segment import Segment

from lockscope.live.lanes import Mark
from lockscope.live.moment import Moment, Row
from lockscope.report.plain import seconds_text
from lockscope.report.top.lines import BOLD, DIM, PLAIN, REVERSE, Line, cut, program

__all__ = ["header", "table"]

_BY_STRENGTH: Final = ("EXCLUSIVE", "PENDING", "RESERVED", "SHARED")
"""Each of them includes those that follow, as far as others are concerned (`pager.c`)."""
_HOW: Final = {"exact": "", "at least": ">", "sampled": "~"}
_IDLE_S: Final = 1.0
"""Less than this may just be between two calls."""


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    width: int
    text: Callable[[Row], str]
    is_right: bool = False


def _database(row: Row) -> str:
    return row.database.rpartition("/")[2]


def _command(row: Row) -> str:
    return program(row.process.command) or "may not be read"


def _locks(row: Row) -> str:
    """What it holds, without what everybody has who has the database open."""
    in_the_log = [name.removeprefix("WAL ") for name in row.locks if name.startswith("WAL ")]
    strongest = next((name for name in _BY_STRENGTH if name in row.locks), "")
    if in_the_log and strongest in ("", "SHARED"):
        return "WAL " + " ".join(name for name in in_the_log if name != "DMS")
    if strongest:
        return strongest
    if row.wants:
        return f"waits {row.wants}"
    return "" if row.process.state == "gone" else "open"


def _held(row: Row) -> str:
    if row.held_s is None:
        return ""
    return _HOW[row.how] + seconds_text(row.held_s)


def _doing(row: Row) -> str:
    if row.blockers:
        return "waits for pid " + ", ".join(map(str, row.blockers))
    if row.idle_s is not None and row.idle_s >= _IDLE_S:
        return f"idle for {seconds_text(row.idle_s)}: {row.doing}"
    return row.doing or ("" if row.process.state == "sleeping" else row.process.state)


def _user(row: Row) -> str:
    return row.process.user or ""


_PID: Final = _Column("PID", 7, lambda row: str(row.process.pid or "?"), is_right=True)
_COMMAND: Final = _Column("COMMAND", 12, _command)
_LOCKS: Final = _Column("HOLDS", 15, _locks)
_HELD: Final = _Column("FOR", 8, _held)
_DOING: Final = _Column("DOING", 12, _doing)
_DATABASE: Final = _Column("DATABASE", 10, _database)
_USER: Final = _Column("USER", 8, _user)
_WHEN_ROOM: Final = ((_DOING, 0), (_USER, 30))
"""And how many columns there must be left over for it."""
_ORDER: Final = (_PID, _DATABASE, _COMMAND, _LOCKS, _HELD, _USER, _DOING)


def header(moment: Moment, width: int) -> Line:
    """The titles."""
    columns = _columns(moment, width)
    titles = " ".join(
        f"{column.title:>{column.width}}" if column.is_right else cut(column.title, column.width)
        for column in columns
    )
    return [Segment(cut(f" {titles}", width), BOLD)]


def table(moment: Moment, rows: tuple[Row, ...], place: int, width: int) -> list[Line]:
    """A line for each row; the one at a place is selected."""
    columns = _columns(moment, width)
    lines = []
    for number, row in enumerate(rows):
        text = " ".join(_cell(column, row) for column in columns)
        style = PLAIN if row.lane.mark > Mark.OPEN or row.locks else DIM
        chosen = number == place
        mark = ">" if chosen else " "
        lines.append([Segment(cut(mark + text, width), REVERSE if chosen else style)])
    return lines


def _cell(column: _Column, row: Row) -> str:
    text = column.text(row)
    return f"{text:>{column.width}}" if column.is_right else cut(text, column.width)


def _columns(moment: Moment, width: int) -> list[_Column]:
    """What fits, the last of it as wide as there is room."""
    chosen = [_PID, _COMMAND, _LOCKS, _HELD]
    if len(moment.watched) > 1:
        chosen.append(_DATABASE)
    for column, rest in _WHEN_ROOM:
        if _used([*chosen, column]) + rest < width:
            chosen.append(column)
    rest = width - 1 - _used(chosen)
    extra = {_COMMAND: rest}
    if _DOING in chosen:
        extra = {_COMMAND: rest // 3, _DOING: rest - rest // 3}
    return [
        _Column(one.title, one.width + extra.get(one, 0), one.text, one.is_right)
        for one in _ORDER
        if one in chosen
    ]


def _used(columns: list[_Column]) -> int:
    return sum(column.width + 1 for column in columns) - 1
