"""Command lines as a trace may keep them: `sqlite3 app.db "insert into t values ('a secret')"`
names what it stores.

`native/arguments.c` is this page in C; `tests/capture/test_arguments.py` holds the two together.
What is in quotes is not told apart as SQL, a shell or another language would tell it, so all of it
goes; where even that is ambiguous, so does the rest of the argument.
"""

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["masked"]

_LOOKS_LIKE_SQL: Final = (
    r"""(?:^|(?<=[ \t-\r'"`;(=]))"""
    r"(?:select|insert|update|delete|replace|create|alter|drop|pragma|values|where|attach|explain)"
    r"""(?=[ \t-\r'"`(*\[])"""
)
"""`/srv/update/` and `--create` are none."""
_QUOTED: Final = "|".join(f"{q}(?:[^{q}]|{q}{q})*(?:{q}|\\Z)" for q in "'\"`")
_PIECE: Final = (
    rf"(?P<quoted>{_QUOTED})"
    r"|(?P<comment>--[^\n]*|/\*(?:.*?\*/|.*\Z))"
    r"|(?P<number>(?<![0-9A-Za-z_$\x80-\U0010ffff])[0-9][0-9A-Za-z_$.\x80-\U0010ffff]*)"
    r"|(?P<name>\[[^\]]*\])"
)
_AFTER_A_WORD: Final = frozenset(" \t\n\v\f\r'\"`(*[")
"""Without one of these nothing looks like SQL, and the patterns need not be compiled: 5 ms."""


def masked(arguments: Iterable[str]) -> tuple[str, ...]:
    """The arguments, those that look like SQL without their literals.

    Each quoted piece and each number becomes `?`, and comments go; paths and options stay.
    """
    return tuple(
        _mask(argument) if _looks_like_sql(argument) else argument for argument in arguments
    )


def _looks_like_sql(argument: str) -> bool:
    return not _AFTER_A_WORD.isdisjoint(argument) and bool(
        re.search(_LOOKS_LIKE_SQL, argument, re.IGNORECASE | re.ASCII)
    )


def _mask(argument: str) -> str:
    kept, at = [], 0
    for piece in re.finditer(_PIECE, argument, re.DOTALL):
        kept.append(argument[at : piece.start()])
        at = piece.end()
        if piece["quoted"] and f"\\{piece['quoted'][0]}" in piece["quoted"]:
            return "".join([*kept, "?"])
        kept.append({"comment": "", "name": piece[0]}.get(piece.lastgroup or "", "?"))
    return "".join([*kept, argument[at:]])
