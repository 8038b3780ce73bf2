"""Durations as people write them: `3`, `3s`, `250ms`, `2m`."""

import argparse
import math
import re
from typing import Final

__all__ = ["duration"]

_FORM: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(us|ms|s|m|h)?", re.ASCII)
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_S: Final = 1e6
"""Eleven days: SQLite's busy timeout is a signed 32-bit number of milliseconds, 24 days."""


def duration(text: str) -> float:
    """The seconds that a duration means; a number alone is seconds.

    Raises:
        argparse.ArgumentTypeError: It is not a duration, negative, or longer than eleven days.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a duration: write 3, 3s, 250ms or 2m, never less than 0"
        )
    seconds = float(form[1]) * _SECONDS[form[2] or "s"]
    if not math.isfinite(seconds) or seconds > _LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"{text!r} is longer than the eleven days that are allowed"
        )
    return seconds
