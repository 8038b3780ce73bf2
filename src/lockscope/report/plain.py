"""Plain text for a terminal or a log: no library, so that an answer is there at once.

Rich would cost more time than the whole answer of `lockscope who` may take.
"""

import os
from typing import Final, TextIO

__all__ = ["Ink", "printable", "seconds_text", "wrapped"]

WIDTH: Final = 80
_STYLES: Final = {"bold": "1", "dim": "2", "red": "1;31", "green": "32", "yellow": "33"}


class Ink:
    """Colours, where they are wanted: on a terminal, unless `NO_COLOR` is set (no-color.org).

    Args:
        out: Where the text goes.
    """

    def __init__(self, out: TextIO) -> None:
        self._on = (
            out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    def __call__(self, style: str, text: str) -> str:
        """The text in a style: bold, dim, red, green or yellow."""
        return f"\033[{_STYLES[style]}m{text}\033[0m" if self._on else text


def printable(text: str) -> str:
    """A text of somebody else's, such as a command line, without what would act on the terminal."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def seconds_text(seconds: float) -> str:
    """A duration for people: `3 ms`, `0.42 s`, `12 s`, `5 min`, `2 h 10 min`, `3 d 4 h`."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = int(seconds / 60)
    if minutes < 60:
        return f"{minutes} min {seconds % 60:.0f} s" if minutes < 5 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def wrapped(text: str, indent: str = "", hanging: str | None = None) -> list[str]:
    """A text in lines of 80 columns; a word is never broken, as it may be a path to be copied."""
    following = indent if hanging is None else hanging
    lines, line = [], indent
    for word in text.split(" "):
        spaced = f"{line} {word}" if line.strip() else line + word
        if len(spaced) > WIDTH and line.strip():
            lines.append(line.rstrip())
            spaced = following + word.lstrip()
        line = spaced
    return [*lines, line] if text else []
