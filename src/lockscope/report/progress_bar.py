"""A progress bar for the reading of a trace that takes longer than a second."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["reading"]

_SHOW_AFTER_S: Final = 1.0


@contextmanager
def reading() -> Iterator[Callable[[int, int], None]]:
    """Give a function that is told (records read, records in all), and shows a bar once a second
    has passed.
    """
    progress = Progress(
        TextColumn("reading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("records"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = progress.add_task("reading", total=None)
    began = time.monotonic()

    def tell(done: int, total: int) -> None:
        if time.monotonic() - began > _SHOW_AFTER_S:
            progress.start()
        progress.update(task, completed=done, total=total)

    try:
        yield tell
    finally:
        progress.stop()
