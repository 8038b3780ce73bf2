"""`-o FILE`: an answer in a file of the user's, which is there whole or as it was before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lockscope.errors import UnableError

__all__ = ["answer_file"]


@contextmanager
def answer_file(path: Path) -> Iterator[TextIO]:
    """A file to write an answer to; it takes its place when all of it is written.

    A full disk half way must not cost the answer of an earlier run. What is no regular file (a
    terminal, a pipe) is written to as it is.

    Raises:
        UnableError: It cannot be written.
    """
    whole = path.is_file() or not path.exists()
    part = path.with_name(f".{path.name}.{os.getpid()}.part") if whole else path
    try:
        with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
            yield file
        if whole:
            part.replace(path.resolve())
    except OSError as error:
        raise UnableError(
            f"{path} cannot be written: {error.strerror}. Name another file with -o."
        ) from error
    finally:
        if whole:
            part.unlink(missing_ok=True)
