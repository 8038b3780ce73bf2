"""A progress bar for the making of a report that takes longer than a second."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from lockscope.analysis import Analysis, analyse
from lockscope.interpret import interpret
from lockscope.trace.model import Trace
from lockscope.trace.reader import read_trace

__all__ = ["Steps", "analysed", "steps"]

_SHOW_AFTER_S: Final = 1.0


class Steps:
    """What is told of a long task: its step, and how far that is.

    Args:
        progress: The bar; None where nobody would see it.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None) if progress else None

    def begin(self, step: str) -> None:
        """Say which step begins; how long it takes is not known until it is told."""
        if self._progress and self._task is not None:
            self._progress.reset(self._task, total=None, completed=0, description=step)

    def tell(self, done: int, total: int) -> None:
        """Say how far the step is."""
        if self._progress and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)


@contextmanager
def steps() -> Iterator[Steps]:
    """A bar on standard error from the second second on, where that is a terminal; it is taken away
    at the end.
    """
    console = Console(stderr=True)
    # Both: rich also believes FORCE_COLOR, and a dumb terminal cannot take a bar away.
    if not (sys.stderr.isatty() and console.is_interactive):
        yield Steps(None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    progress = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
    # By a timer: a step that is one long call has nobody who could look at the clock.
    timer = threading.Timer(_SHOW_AFTER_S, progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield Steps(progress)
    finally:
        timer.cancel()
        timer.join()
        if progress.live.is_started:
            progress.stop()


def analysed(folder: Path) -> tuple[Trace, Analysis]:
    """Read a trace and analyse it, with a bar where it takes long.

    Returns:
        The trace without its records, which take more memory than all else and are not needed any
        more, and its analysis.

    Raises:
        TraceError: It cannot be read.
    """
    with steps() as step:
        step.begin("reading")
        trace = read_trace(folder, step.tell)
        step.begin("interpreting")
        source = interpret(trace)
        trace = replace(trace, records=trace.records[:0].copy())
        step.begin("analysing")
        return trace, analyse(source)
