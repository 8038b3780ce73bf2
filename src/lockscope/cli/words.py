"""The words of a command line, and one sentence about those that mean nothing."""

import argparse
import re
from typing import Final, NoReturn

from lockscope.errors import EXIT_USAGE

__all__ = ["Words"]

_OPTION: Final = re.compile(r"(?<!\S)--[^\s=]+")


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
