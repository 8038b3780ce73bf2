"""The words of a command line, and one sentence about those that mean nothing."""

import argparse
import os
import re
import sys
from typing import Final, NoReturn

from lockscope.errors import EXIT_USAGE

__all__ = ["Layout", "Words"]

_OPTION: Final = re.compile(r"(?<!\S)--[^\s=]+")


class Layout(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal, which argparse would import all of shutil to learn."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


class Words(argparse.ArgumentParser):
    """A parser that answers a mistake with a sentence, not with every option there is."""

    def error(self, message: str) -> NoReturn:
        """End with exit status 2 and a sentence."""
        hint = ""
        if message.startswith("unrecognized arguments"):
            hint = self._nearest(message)
        end = "" if (message + hint).endswith("?") else "."
        told = f"{self.prog}: {message}{hint}{end} `{self.prog} --help` tells what there is.\n"
        self.exit(EXIT_USAGE, told)

    def _nearest(self, message: str) -> str:
        import difflib  # noqa: PLC0415 - 10 ms that only a typing error has to pay

        known = list(self._option_string_actions)
        for word in _OPTION.findall(message):
            near = difflib.get_close_matches(word, known, 1)
            if near:
                return f"; did you mean {near[0]}?"
        return ""


def _columns() -> int:
    """`COLUMNS`, or the terminal's, or 80, as `shutil.get_terminal_size`."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    if sys.__stdout__ is None:
        return 80
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80
    except (ValueError, OSError):
        return 80
