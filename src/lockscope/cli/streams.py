"""The standard streams, made fit to be written to: closed, full or without a reader."""

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["hold_streams", "let_go_of_output"]

_OUT: Final = 1
_ERR: Final = 2


class _Told(io.FileIO):
    """Standard error: what cannot be told is lost, and changes no exit status."""

    def write(self, data: "ReadableBuffer", /) -> int:
        with contextlib.suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes


def hold_streams() -> None:
    """Take the standard streams' descriptors, closed ones too, and write to them with care.

    Else a trace's file would get the number of a closed stream, and what is meant for the stream
    would be written into it. A command that is started still finds closed what was closed: the
    place-holders end at its exec.
    """
    if os.name != "posix":  # a Windows console is no file
        return
    for number in (0, _OUT, _ERR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # takes the lowest free number: this one
    sys.stdout = _text(io.FileIO(_OUT, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Told(_ERR, "w", closefd=False), sys.stderr)


def _text(raw: io.FileIO, before: TextIO | None) -> io.TextIOWrapper:
    like = before if isinstance(before, io.TextIOWrapper) else None
    encoding = like.encoding if like else "utf-8"
    escaped = like is not None and like.errors == "surrogateescape" and "utf" in encoding.lower()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        # Not every encoding has a middle dot, and a path may hold bytes that are no text.
        errors="surrogateescape" if escaped else "backslashreplace",
        line_buffering=bool(like and like.line_buffering),
    )


def let_go_of_output() -> OSError | None:
    """Try once more to write what is left of the answer, and no more; gives why it cannot be.

    The streams are C's own, since an interrupt between the write and the return of a Python method
    would have the same bytes written again.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        # The interpreter tries again when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), _OUT)
        return error
    return None
