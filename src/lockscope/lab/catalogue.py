"""The workloads by name: lockscope's own, and the user's as `package.module:Class`."""

import contextlib
import importlib
import os
import sqlite3
import sys
from pathlib import Path
from typing import Final, cast

from lockscope.errors import UsageError
from lockscope.lab.pets import Pets
from lockscope.lab.workload import Workload

__all__ = ["WORKLOADS", "is_own", "load_workload", "place"]

WORKLOADS: Final[tuple[tuple[str, type[Workload], str], ...]] = (
    ("pets", Pets, "insert pets, stay in the transaction for the hold, commit"),
)
"""Name, class and summary of each."""
_METHODS: Final = ("setup", "work", "check")
_PACKAGE: Final = Path(__file__).parents[1]
_NOT_A_WORKLOAD: Final = (
    "<",
    f"{Path(contextlib.__file__).parent / 'importlib'}",
    contextlib.__file__,
    sqlite3.__file__,
    f"{_PACKAGE / 'capture'}{os.sep}",
    f"{_PACKAGE / 'remedies'}{os.sep}",
    __file__,
    f"{_PACKAGE / 'lab' / 'experiment.py'}",
    f"{_PACKAGE / 'lab' / 'worker.py'}",
    f"{_PACKAGE / 'lab' / 'workload.py'}",
)
"""Where code runs around a workload: a place there would tell nobody what to mend."""


def load_workload(name: str) -> Workload:
    """Make the workload of that name.

    Raises:
        UsageError: There is none, or the user's own cannot be imported or lacks a method.
    """
    for known, made, _ in WORKLOADS:
        if known == name:
            return made()
    if not is_own(name):
        raise UsageError(_unknown(name))
    return _own(name)


def is_own(name: str) -> bool:
    """Whether a workload is the user's own, not one of lockscope's."""
    return ":" in name


def place(error: BaseException) -> str:
    """`file:line` of the innermost line of a workload that an exception passed, or empty."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    # By hand: the traceback module would add 10 ms to the start of every worker.
    found = inner = ""
    trace = error.__traceback__
    while trace is not None:
        inner = trace.tb_frame.f_code.co_filename
        if not inner.startswith(_NOT_A_WORKLOAD):
            found = f"{inner}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _unknown(name: str) -> str:
    # Imported here: only a mistaken name needs it, and every worker would pay for it.
    from difflib import get_close_matches  # noqa: PLC0415

    names = [known for known, _, _ in WORKLOADS]
    near = get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else f"known is {', '.join(names)}. "
    return f"There is no workload {name!r}: {hint}Your own is written package.module:Class."


def _own(name: str) -> Workload:
    module_name, _, class_name = name.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The workload {name} cannot be imported: there is no module {error.name!r} "
            f"(looked in {folder} and where Python looks)."
        ) from error
    except Exception as error:
        raise UsageError(f"The workload {name} cannot be imported: {_told(error)}.") from error
    made = getattr(module, class_name, None)
    if not isinstance(made, type):
        raise UsageError(
            f"The workload {name} cannot be found: {module.__file__} has no class {class_name!r}."
        )
    lacking = [method for method in _METHODS if not callable(getattr(made, method, None))]
    if lacking:
        raise UsageError(
            f"The workload {name} has no method {' and no '.join(lacking)}; it needs "
            "setup(connection, plan), work(turn) and check(connection)."
        )
    try:
        return cast("Workload", made())
    except Exception as error:
        raise UsageError(f"The workload {name} cannot be made: {_told(error)}.") from error


def _told(error: Exception) -> str:
    where = place(error)
    return f"{type(error).__name__}: {error}" + (f", at {where}" if where else "")
