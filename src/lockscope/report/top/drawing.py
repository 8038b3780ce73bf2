"""The screen as lines: title, lanes, legend, the list of who, keys. Pure."""

from collections import Counter
from typing import Final

from rich.segment import Segment

from lockscope.live.lanes import Lane
from lockscope.live.moment import Moment, Row, Watched
from lockscope.report.plain import printable
from lockscope.report.top.lines import (
    ALARM,
    BOLD,
    CALM,
    DIM,
    PLAIN,
    REVERSE,
    Line,
    cut,
    joined,
    padded,
    program,
)
from lockscope.report.top.palette import LEGEND, LOOKS, segments
from lockscope.report.top.table import header, table
from lockscope.report.top.view import View, arranged, selected_place
from lockscope.report.who_words import headline

__all__ = ["axis", "draw", "lane_line", "legend"]

_FIXED: Final = 5
"""Lines beside lanes and list: title, axis, legend, the list's header, keys."""
_PID: Final = 8
_LEAST_LABEL: Final = 20
_NAMED: Final = 72
"""In fewer columns, what is locked says more than the program's name."""


def draw(moment: Moment, view: View, width: int, height: int) -> list[Line]:
    """The whole screen.

    Args:
        moment: What there is to see.
        view: What a person chose to see of it.
        width: Columns.
        height: Lines.
    """
    rows = arranged(moment, view)
    place = selected_place(rows, view)
    entries = _entries(moment, rows)
    at = entries.index(rows[place]) if rows else 0
    room = max(2, height - _FIXED)
    lanes_height = min(len(entries), max(room - len(rows), (room + 1) // 2))
    list_height = room - lanes_height
    first = _first(len(entries), at, lanes_height)
    first_row = _first(len(rows), place, list_height)
    listed = rows[first_row : first_row + list_height]
    lanes = entries[first : first + lanes_height]
    blank: Line = []
    lines = [
        padded(_title(moment, view, width), width, REVERSE),
        *(_entry(entry, moment, width, is_selected=entry is entries[at]) for entry in lanes),
        axis(width, label_width(width), (first, len(entries) - first - len(lanes))),
        _notice(moment, view, width) or legend(width),
        padded(header(moment, width), width, BOLD),
        *(table(moment, listed, place - first_row, width) or [_nobody(moment, view)]),
    ]
    lines += [blank] * (height - 1 - len(lines))
    return [padded(line, width) for line in (*lines[: height - 1], _keys(view, width))]


def label_width(width: int) -> int:
    """Columns before the lanes."""
    return max(_LEAST_LABEL, width * 3 // 10)


def lane_line(lane: Lane, now_ns: int, width: int) -> Line:
    """A lane alone."""
    return segments(lane.cells(now_ns, width))


def axis(width: int, label: int, hidden: tuple[int, int] = (0, 0)) -> Line:
    """The times below the lanes, and how many lines are hidden above and below."""
    room = width - label
    far, near = "1 min ago", "now"
    middle = "30 s".center(room - len(far) - len(near)) if room > 30 else " "
    more = cut(f"  {hidden[0]} above, {hidden[1]} below" if any(hidden) else "", label)
    return [Segment(more, PLAIN), Segment((far + middle + near).rjust(room)[:room], DIM)]


def legend(width: int) -> Line:
    """What the letters mean."""
    parts = [
        [
            Segment(LOOKS[mark].letter, LOOKS[mark].style),
            Segment(f" {LOOKS[mark].word}", PLAIN),
        ]
        for mark in LEGEND
    ]
    return joined([*parts, [Segment("w partly", DIM)]], " ", width)


def _title(moment: Moment, view: View, width: int) -> Line:
    count = len(moment.watched)
    locked = sum(one.snapshot is not None and one.snapshot.write_locked for one in moment.watched)
    what = ["1 database" if count == 1 else f"{count} databases"]
    if locked:
        what.append("write-locked" if count == 1 else f"{locked} write-locked")
    if view.words:
        what.insert(0, f"filter: {view.words}")
    if len(moment.rows) > 1:
        what.append(f"{len(moment.rows)} processes")
    clock = f"PAUSED at {moment.at} " if view.is_paused else f"{moment.at} "
    rate = (
        f"{moment.samples_per_s:.0f}" if moment.samples_per_s > 3 else f"{moment.samples_per_s:.2g}"
    )
    right = f" {rate} samples/s  {clock}"
    room = max(0, width - len(right))
    name = " lockscope top" if width >= _NAMED else ""
    parts = [[Segment(printable(part), BOLD)] for part in (name, *what)]
    return [
        *padded(joined(parts, "  ", room), room),
        Segment(right, BOLD if view.is_paused else PLAIN),
    ]


def _entries(moment: Moment, rows: tuple[Row, ...]) -> list[Watched | Row]:
    """Each database, followed by its lanes."""
    entries: list[Watched | Row] = []
    for one in moment.watched:
        entries.append(one)
        entries += [row for row in rows if row.database == one.path]
    return entries


def _entry(entry: Watched | Row, moment: Moment, width: int, *, is_selected: bool) -> Line:
    if isinstance(entry, Watched):
        names = Counter(one.path.rpartition("/")[2] for one in moment.watched)
        return _heading(entry, width, is_ambiguous=names[entry.path.rpartition("/")[2]] > 1)
    label = label_width(width)
    lane = lane_line(entry.lane, moment.now_ns, width - label)
    return [_label(entry, label, is_selected=is_selected), *lane]


def _heading(one: Watched, width: int, *, is_ambiguous: bool) -> Line:
    name = f"{one.path.rpartition('/')[0]}: " if is_ambiguous else ""
    if one.snapshot is None:
        return [Segment(cut(f"! {one.problem}", width), ALARM)]
    style = ALARM if one.snapshot.write_locked else CALM
    mark = "●" if one.snapshot.write_locked else "○"
    return [Segment(cut(f"{mark} {printable(name)}{headline(one.snapshot)}", width), style)]


def _label(row: Row, width: int, *, is_selected: bool) -> Segment:
    command = program(row.process.command) or row.process.state
    mark = ">" if is_selected else " "
    text = f"{mark}{row.process.pid or '?':>{_PID - 1}} {cut(command, width - _PID - 2)} "
    return Segment(text, REVERSE if is_selected else PLAIN)


def _notice(moment: Moment, view: View, width: int) -> Line:
    note = view.note or moment.note
    for one in moment.watched:
        note = note.replace(one.path, one.name)
    return [Segment(cut(note, width), BOLD)] if note else []


def _nobody(moment: Moment, view: View) -> Line:
    if view.words and moment.rows:
        return [Segment("  no process matches the filter; Escape clears it", DIM)]
    return [Segment("  nobody has had it open in the last minute", DIM)]


def _first(count: int, place: int, height: int) -> int:
    """The first of so many lines to show, so that the one at a place is among them."""
    return max(0, min(place - height + 2, count - height)) if place >= height - 1 else 0


def _keys(view: View, width: int) -> Line:
    if view.is_typing:
        hint = "  Enter keeps it, Escape clears it"
        typed = f"{printable(view.words)}_"[-max(1, width - len(hint) - 9) :]
        return [Segment(" Filter ", REVERSE), Segment(f" {typed}", BOLD), Segment(hint)]
    words = (
        ("q", "quit"),
        ("?", "help"),
        ("enter", "details"),
        ("space", "go on" if view.is_paused else "pause"),
        ("s", f"sort: {view.order}"),
        ("/", "filter"),
        ("w", "save"),
    )
    parts = [[Segment(f" {key} ", REVERSE), Segment(f" {word}", PLAIN)] for key, word in words]
    if sum(Segment.get_line_length(part) + 1 for part in parts) > width + 1:
        parts = [[Segment(key, REVERSE), Segment(f" {word}", PLAIN)] for key, word in words]
    return joined(parts, " ", width)
