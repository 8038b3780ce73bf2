"""Sizes as people write them: `64MB`, `2G`, `512MiB`."""

import argparse
import re
from typing import Final

__all__ = ["size"]

_FORM: Final = re.compile(
    r"([0-9]{1,9}(?:\.[0-9]{0,9})?)\s*(?:([KMGT])(i?))?B?", re.ASCII | re.IGNORECASE
)
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_LEAST: Final = 8_000_000
"""Below this, half of the room is less than the four chunks that every ring has (`segment.c`)."""


def size(text: str) -> int:
    """The bytes that a size means: K, M, G and T are powers of ten, Ki, Mi, Gi and Ti of two.

    Raises:
        argparse.ArgumentTypeError: It is not a size, or too small for a trace.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write 64MB, 2G or 512MiB")
    unit = 1024 if form[3] else 1000
    number = int(float(form[1]) * unit ** _POWERS[(form[2] or "").upper()])
    if number < _LEAST:
        raise argparse.ArgumentTypeError(f"{text!r} is too small for a trace: at least 8MB")
    return number
