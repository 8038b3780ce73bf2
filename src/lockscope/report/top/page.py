"""A page of text over the screen: it scrolls, and Escape goes back."""

from collections.abc import Callable
from typing import ClassVar

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from lockscope.report.top.lines import BOLD, REVERSE, Line, cut, joined, padded

__all__ = ["Lines", "Page"]


class Lines(Widget):
    """Lines of text, of which only those are drawn again that have changed.

    Args:
        draw: Is called when there is another size to draw for; the first time, when there is one.
    """

    DEFAULT_CSS = "Lines { width: 100%; height: 100%; }"

    def __init__(self, draw: Callable[[], None]) -> None:
        super().__init__()
        self._lines: list[Line] = []
        self._draw = draw

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._draw()

    def show(self, lines: list[Line]) -> None:
        """Show these lines."""
        before, self._lines = self._lines, lines
        changed = [y for y, (old, new) in enumerate(zip(before, lines, strict=False)) if old != new]
        changed += range(min(len(before), len(lines)), max(len(before), len(lines)))
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """One of them."""
        # Less than the whole width would leave there what another screen has shown.
        return Strip(self._lines[y]) if y < len(self._lines) else Strip(padded([], self.size.width))


class Page(Screen[None]):
    """A page; what is on it is told by `text`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "back", "back"),
        Binding("up,k", "scroll(-1)", "up"),
        Binding("down,j", "scroll(1)", "down"),
        Binding("pageup", "scroll(-10)", "page up"),
        Binding("pagedown,space", "scroll(10)", "page down"),
        Binding("home,g", "scroll(-1000000)", "first"),
        Binding("end,G", "scroll(1000000)", "last"),
    ]
    keys: ClassVar[tuple[tuple[str, str], ...]] = (("esc", "back"), ("↑↓", "scroll"))

    def __init__(self, heading: str) -> None:
        super().__init__()
        self._heading = heading
        self._first = 0

    def text(self, width: int) -> list[Line]:
        """The lines of the page, for so many columns."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """One widget draws everything."""
        yield Lines(self.draw)

    def draw(self) -> None:
        """Draw the part of the text that is scrolled to."""
        lines = self.query_one(Lines)
        width, height = lines.size.width, max(1, lines.size.height - 2)
        text = self.text(width)
        self._first = max(0, min(self._first, len(text) - height))
        shown = text[self._first : self._first + height]
        more = len(text) - self._first - len(shown)
        keys = [[Segment(f" {key} ", REVERSE), Segment(f" {word}")] for key, word in self.keys]
        if more:
            keys.append([Segment(f"{more} more lines below", BOLD)])
        title: Line = [Segment(cut(f" {self._heading}", width), REVERSE + BOLD)]
        shown += [[]] * (height - len(shown))
        lines.show([padded(line, width) for line in (title, *shown, joined(keys, "  ", width))])

    def action_back(self) -> None:
        """Go back to the screen."""
        self.dismiss()

    def action_scroll(self, lines: int) -> None:
        """Go up or down."""
        self._first = max(0, self._first + lines)
        self.draw()
