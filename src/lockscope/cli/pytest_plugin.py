"""The pytest plugin's face: its options, its marker, and the recording of `pytest --lockscope`.

Every pytest run in an environment with lockscope imports this module, so it imports next to
nothing; what happens in a recorded session is in `pytest_session`.

To record, the recorder must be there before the process starts. So pytest becomes `lockscope trace`
by an exec, before it has imported any test, and that runs the same command line again: it passes
input, output, signals and exit status through, and keeps the pid, so that nothing of the first
start is left, as the data file that coverage would write at its end.
"""

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    import argparse

__all__ = [
    "STARTED",
    "pytest_addoption",
    "pytest_configure",
    "pytest_load_initial_conftests",
]

STARTED: Final = "LOCKSCOPE_PYTEST"
"""Environment variable: the pid of the `lockscope trace` that this plugin became."""
_MARKER: Final = (
    "lock_budget(max_hold=None, max_wait=None, fail_on=''): with --lockscope the test fails where "
    "its write locks are held longer, where it waits longer, or for causes such as 'C12,unsafe'."
)
_ONLY_TELL: Final = (
    "help",
    "version",
    "markers",
    "showfixtures",
    "show_fixtures_per_test",
    "collectonly",
    "cacheshow",
    "setupplan",
)
"""Options by which pytest runs no test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("lockscope", "who held the lock, of SQLite databases")
    group.addoption(
        "--lockscope",
        action="store_true",
        help="record the locks of the session; say of a failing test who held what, and check "
        "lock_budget markers",
    )
    group.addoption(
        "--lockscope-trace",
        metavar="DIR",
        help="folder of the trace (default: pytest-DATE-TIME.trace)",
    )
    group.addoption(
        "--lockscope-strict",
        action="store_true",
        help="a test with a lock_budget is an error where locks cannot be recorded",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Become the recorded session before capturing begins and any conftest is imported."""
    options = early_config.known_args_namespace
    if options.lockscope and not any(getattr(options, name, None) for name in _ONLY_TELL):
        _record(options, list(early_config.invocation_params.args))
    yield


def _record(options: "argparse.Namespace", words: list[str]) -> None:
    from lockscope.capture.preload import is_recorded, missing_sentence  # noqa: PLC0415 - late

    # Where a program called pytest.main() itself, its command line is not ours to run again.
    if is_recorded() or missing_sentence() or words != sys.argv[1:]:
        return
    folder = _folder(options.lockscope_trace)
    # -P: a file of the working folder must not take the place of a module of lockscope's.
    trace = [sys.executable, "-P", "-m", "lockscope", "trace", "--brief", "-o", str(folder), "--"]
    os.environ[STARTED] = str(os.getpid())
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [*trace, sys.executable, *sys.orig_argv[1:]])


def _folder(asked: str | None) -> Path:
    from lockscope.capture.recording import dated_folder  # noqa: PLC0415 - late

    folder = Path(asked) if asked else dated_folder("pytest")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise pytest.UsageError(
            f"{folder} exists and is not an empty folder; name another with --lockscope-trace."
        )
    return folder


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and look after the tests where that was asked for."""
    config.addinivalue_line("markers", _MARKER)
    if config.getoption("lockscope"):
        from lockscope.cli.pytest_session import LockscopeSession  # noqa: PLC0415 - late

        config.pluginmanager.register(LockscopeSession(config), "lockscope-session")
