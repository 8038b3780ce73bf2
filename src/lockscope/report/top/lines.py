"""Lines of a screen: text that is cut to a width, and styles that need no colour."""

from collections.abc import Iterable
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from lockscope.report.plain import printable
from lockscope.report.who_words import short_command

__all__ = [
    "ALARM",
    "BOLD",
    "CALM",
    "DIM",
    "PLAIN",
    "REVERSE",
    "Line",
    "cut",
    "joined",
    "padded",
    "program",
]

Line = list[Segment]

PLAIN: Final = Style()
BOLD: Final = Style(bold=True)
DIM: Final = Style(dim=True)
_INTERPRETERS: Final = ("python", "node", "ruby", "perl", "php", "bash", "sh")
REVERSE: Final = Style(reverse=True)
ALARM: Final = Style(color="red", bold=True)
CALM: Final = Style(color="green")


def cut(text: str, width: int) -> str:
    """A text of somebody else's in exactly so many columns; too long, it ends in an ellipsis."""
    shown = printable(text)
    if cell_len(shown) <= width:
        return set_cell_size(shown, width)
    return set_cell_size(shown, width - 1) + "…" if width > 0 else ""


def program(command: str) -> str:
    """A command without the interpreter that runs it: the script is what tells it from others."""
    short = short_command(command)
    first, _, rest = short.partition(" ")
    return rest if first.startswith(_INTERPRETERS) and rest and rest[0] != "-" else short


def padded(line: Line, width: int, style: Style | None = None) -> Line:
    """A line in exactly so many columns, all of it in a style where one is given.

    Every segment has a style then: without one, Textual 6 leaves there what another page has shown.
    """
    fitting = Segment.adjust_line_length(line, width)
    return [Segment(text, (own or PLAIN) + (style or PLAIN)) for text, own, _ in fitting]


def joined(parts: Iterable[Line], between: str, width: int) -> Line:
    """As many parts as fit whole, in one line."""
    line: Line = []
    used = 0
    for part in parts:
        length = Segment.get_line_length(part) + (len(between) if line else 0)
        if used + length > width:
            break
        line += [Segment(between, PLAIN)] if line else []
        line += part
        used += length
    return line
