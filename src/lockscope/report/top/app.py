"""The full screen of `lockscope top`, on Textual."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final, Protocol

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key, Paste

from lockscope.errors import LockscopeError
from lockscope.live.model import Snapshot
from lockscope.live.moment import Moment, Row
from lockscope.report.top.detail import Detail
from lockscope.report.top.drawing import draw
from lockscope.report.top.help import Help
from lockscope.report.top.page import Lines
from lockscope.report.top.view import ORDERS, View, arranged, key_of, selected_place

__all__ = ["EVERY_S", "Feed", "TopApp"]

EVERY_S: Final = 1.0
"""Between two moments that are shown."""
_PAGE: Final = 10


class Feed(Protocol):
    """Where moments come from: `live.watch.Watch`, or a story."""

    def look(self) -> Moment:
        """What is to be seen now."""

    def look_closer(self, database: str) -> Snapshot:
        """One database, with the Python stacks of those in the way."""

    def save(self) -> Path:
        """Keep what was seen as a trace; gives its folder."""


class TopApp(App[None]):
    """The screen.

    Args:
        feed: Where moments come from.
        seconds: End after so long; None to go on until told.
    """

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "quit", priority=True),
        Binding("q", "quit", "quit"),
        Binding("ctrl+z", "suspend_process", "to the shell"),
        Binding("space,p", "pause", "pause"),
        Binding("s", "sort", "sort"),
        Binding("slash", "filter", "filter"),
        Binding("escape", "clear", "clear the filter"),
        Binding("enter", "details", "details"),
        Binding("w", "save", "save"),
        Binding("question_mark,h", "explain", "help"),
        Binding("up,k", "move(-1)", "up"),
        Binding("down,j", "move(1)", "down"),
        Binding("pageup", f"move(-{_PAGE})", "page up"),
        Binding("pagedown", f"move({_PAGE})", "page down"),
        Binding("home,g", "move(-1000000)", "first"),
        Binding("end,G", "move(1000000)", "last"),
    ]

    def __init__(self, feed: Feed, seconds: float | None = None) -> None:
        super().__init__(ansi_color=True)
        self._feed = feed
        self._seconds = seconds
        self._view = View()
        self._moment = feed.look()
        self._is_looking = False

    def compose(self) -> ComposeResult:
        """One widget draws everything."""
        yield Lines(self._draw)

    def on_mount(self) -> None:
        """Begin to look."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self.exit)
        self.set_interval(EVERY_S, self._look)
        if self._seconds is not None:
            self.set_timer(self._seconds, self.exit)

    async def _look(self) -> None:
        if self._view.is_paused or self._is_looking:
            return
        self._is_looking = True
        try:
            # In a thread: a path on a server that is away must not take the keys with it.
            moment = await asyncio.to_thread(self._feed.look)
        except LockscopeError as error:
            self._choose(self._view, str(error))
            return
        finally:
            self._is_looking = False
        if not self._view.is_paused:
            self._moment = moment
            self._draw()

    def _draw(self) -> None:
        lines = self.screen_stack[0].query_one(Lines)
        lines.show(draw(self._moment, self._view, lines.size.width, lines.size.height))

    def _choose(self, view: View, note: str = "") -> None:
        self._view = replace(view, note=note)
        self._draw()

    def _rows(self) -> tuple[Row, ...]:
        return arranged(self._moment, self._view)

    def action_pause(self) -> None:
        """Stand still, or go on; what is recorded goes on in any case."""
        self._choose(replace(self._view, is_paused=not self._view.is_paused))

    def action_sort(self) -> None:
        """Go to the next order."""
        names = [name for name, _ in ORDERS]
        order = names[(names.index(self._view.order) + 1) % len(names)]
        self._choose(replace(self._view, order=order))

    def action_move(self, lines: int) -> None:
        """Select another row."""
        rows = self._rows()
        if rows:
            place = selected_place(rows, self._view) + lines
            row = rows[max(0, min(place, len(rows) - 1))]
            self._choose(replace(self._view, selected=key_of(row)))

    def action_filter(self) -> None:
        """Begin to type the words that rows must have."""
        self._choose(replace(self._view, is_typing=True))

    def action_clear(self) -> None:
        """Show all rows again."""
        self._choose(replace(self._view, words="", is_typing=False))

    def on_key(self, event: Key) -> None:
        """Take what is typed into the filter.

        A box of Textual's would lose letters: keys that come in one piece, as over a slow line, are
        on their way before the box has the focus.
        """
        if not self._view.is_typing:
            return
        event.prevent_default()
        if event.key == "escape":
            self.action_clear()
        elif event.key == "enter":
            self._choose(replace(self._view, is_typing=False))
        elif event.key in ("backspace", "ctrl+h"):
            self._choose(replace(self._view, words=self._view.words[:-1]))
        elif event.character is not None and event.is_printable:
            self._choose(replace(self._view, words=self._view.words + event.character))

    def on_paste(self, event: Paste) -> None:
        """Take what is pasted into the filter, without line ends."""
        if self._view.is_typing:
            words = self._view.words + " ".join(event.text.split())
            self._choose(replace(self._view, words=words))

    def action_explain(self) -> None:
        """Show what the screen means."""
        self.push_screen(Help())

    def action_details(self) -> None:
        """Show the selected process alone."""
        rows = self._rows()
        if rows:
            row = rows[selected_place(rows, self._view)]
            self._choose(replace(self._view, selected=key_of(row)))
            closer = None if self._view.is_paused else self._feed.look_closer
            self.push_screen(Detail(self._moment, row, closer))

    async def action_save(self) -> None:
        """Save what was seen."""
        try:
            folder = await asyncio.to_thread(self._feed.save)
        except LockscopeError as error:
            self._choose(self._view, str(error))
        else:
            self._choose(self._view, f"Saved. Read it with: lockscope report {folder}")
