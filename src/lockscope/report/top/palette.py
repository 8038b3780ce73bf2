"""How each mark of a lane looks: a letter, and a colour: the brighter, the more in the way.

The colours keep their order in greyscale and for people who do not see red, green or blue
(`tests/report/test_top_palette.py` reckons both); the letters are there where there is no colour.
They come from Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), two of them lightened.
"""

from dataclasses import dataclass
from typing import Final

from rich.segment import Segment
from rich.style import Style

from lockscope.live.lanes import Cell, Mark

__all__ = ["LEGEND", "LOOKS", "Look", "segments"]


@dataclass(frozen=True, slots=True)
class Look:
    """How a mark is shown.

    Attributes:
        letter: For a part of the minute that it fills.
        word: What it means.
        colour: Behind the letter, `#rrggbb`; empty where it has none.
        ink: The letter's own colour.
    """

    letter: str
    word: str
    colour: str = ""
    ink: str = "#000000"

    @property
    def style(self) -> Style:
        """The style of the letter."""
        if not self.colour:
            return Style(dim=True)
        return Style(color=self.ink, bgcolor=self.colour, bold=True)


LOOKS: Final[dict[Mark, Look]] = {
    Mark.ABSENT: Look(" ", ""),
    Mark.NOTHING: Look("·", "nothing"),
    Mark.OPEN: Look("-", "open"),
    Mark.WAIT: Look("~", "waits"),
    Mark.READ: Look("R", "read", "#0072b2", "#ffffff"),
    Mark.CHECKPOINT: Look("C", "checkpoint", "#009e73"),
    Mark.WRITE: Look("W", "write", "#e69f00"),
    Mark.PENDING: Look("P", "pending", "#f5bfdc"),
    Mark.EXCLUSIVE: Look("E", "exclusive", "#fff48a"),
}
LEGEND: Final = (
    Mark.EXCLUSIVE,
    Mark.PENDING,
    Mark.WRITE,
    Mark.CHECKPOINT,
    Mark.READ,
    Mark.WAIT,
    Mark.OPEN,
)
"""What the legend explains, in this order."""
_STYLES: Final = {mark: look.style for mark, look in LOOKS.items()}
_PARTLY: Final = {
    mark: style + Style(bold=False) if LOOKS[mark].colour else style
    for mark, style in _STYLES.items()
}


def segments(cells: tuple[Cell, ...]) -> list[Segment]:
    """A lane in letters: capital where the mark lasted throughout, small where for a part."""
    found: list[Segment] = []
    for cell in cells:
        letter = LOOKS[cell.mark].letter
        style = _STYLES[cell.mark] if cell.is_whole else _PARTLY[cell.mark]
        text = letter if cell.is_whole else letter.lower()
        if found and found[-1].style is style and found[-1].text[-1] == text:
            found[-1] = Segment(found[-1].text + text, style)
        else:
            found.append(Segment(text, style))
    return found
