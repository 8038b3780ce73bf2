"""The console that reports are written to: rich's, for text that is not ours."""

from typing import Any, Final, TextIO

from rich.console import Console
from rich.text import Text

from lockscope.report.plain import printable

__all__ = ["console_for"]

_PLAIN_WIDTH: Final = 110
"""Columns where there is no terminal to ask."""


class _CarefulConsole(Console):
    """A console that shows control characters instead of obeying them.

    A file's name or a command line can hold an escape sequence, which would act on the terminal of
    whoever reads the report.
    """

    def render_str(self, text: str, **how: Any) -> Text:  # noqa: ANN401 - as rich declares it
        """The text with its markup, and nothing in it that acts on a terminal."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **how)


def console_for(out: TextIO, plain_width: int = _PLAIN_WIDTH, *, kept: bool = False) -> Console:
    """A console that writes to a stream, wide enough for a table where the stream is no
    terminal.

    Args:
        out: The stream.
        plain_width: Columns where the stream is no terminal.
        kept: What is written is kept in a file: no colour, whatever FORCE_COLOR says.
    """
    return _CarefulConsole(
        file=out,
        width=None if out.isatty() else plain_width,
        highlight=False,
        force_terminal=False if kept else None,
    )
