"""Showing an exhibit: playing it while it is recorded."""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from lockscope.capture.recording import Recording
from lockscope.errors import CaptureError, UnableError
from lockscope.lab.zoo import Exhibit

__all__ = ["lacking", "show"]


def lacking(exhibit: Exhibit) -> str:
    """What an exhibit needs and this machine lacks; empty where it can be shown."""
    return next((need for need in exhibit.needs if not _is_there(need)), "")


def _is_there(need: str) -> bool:
    if need.endswith(".h"):
        look = ["cc", "-fsyntax-only", "-include", need, "-x", "c", os.devnull]
        return subprocess.run(look, check=False, capture_output=True).returncode == 0
    return shutil.which(need) is not None or find_spec(need) is not None


def show(exhibit: Exhibit, trace: Path, *, cured: bool) -> None:
    """Play an exhibit and record it.

    Args:
        exhibit: Which.
        trace: The trace's folder, to be made.
        cured: Play its cured form.

    Raises:
        CaptureError: It cannot be recorded here.
        UnableError: It lacks something, or broke off.
    """
    need = lacking(exhibit)
    if need:
        raise UnableError(f"{exhibit.name} needs {need}, which is not installed.")
    word = "cured" if cured else "ill"
    recording = Recording(trace, ("lockscope", "run", exhibit.name, *(["--cured"] * cured)))
    if recording.missing:
        raise CaptureError(
            f"The zoo can only be shown where locks are recorded: {recording.missing}"
        )
    with tempfile.TemporaryDirectory(prefix="lockscope-zoo-") as folder, recording:
        done = subprocess.run(
            [sys.executable, str(exhibit.program), word, folder],
            env=recording.environment(os.environ),
            stdin=subprocess.DEVNULL,
            check=False,
        )
        recording.exit_status = done.returncode
    if done.returncode:
        raise UnableError(f"{exhibit.name} broke off with exit status {done.returncode}.")
