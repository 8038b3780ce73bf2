"""A Python child process that is not recorded, for work that must not be done in the program's
own process.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["run_child"]

_HOME: Final = str(Path(__file__).parents[2])


def run_child(program: str, *words: str, input_: bytes = b"", patience_s: float) -> bytes:
    """Run a Python program that can import lockscope, and give its standard output.

    Args:
        program: Its text.
        words: Its `sys.argv[1:]`.
        input_: Its standard input.
        patience_s: After how long it is killed.

    Raises:
        OSError: There is no Python to run it, it failed, or it took longer.
    """
    begin = f"import sys; sys.path.insert(0, sys.argv.pop(1)); {program}"
    try:
        done = subprocess.run(
            [_interpreter(), "-I", "-c", begin, _HOME, *words],
            input=input_,
            capture_output=True,
            env=_environment(),
            timeout=patience_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"it took longer than {patience_s:g} s") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise OSError(lines[-1] if lines else f"it ended with status {done.returncode}")
    return done.stdout


def _interpreter() -> str:
    """A Python to run the child: a program that embeds Python names itself in `sys.executable`."""
    candidates = (
        sys.executable,
        f"{sys.prefix}/bin/python3",
        f"{sys.base_prefix}/bin/python3",
        shutil.which("python3"),
    )
    for candidate in candidates:
        if candidate and Path(candidate).name.startswith("py") and os.access(candidate, os.X_OK):
            return candidate
    raise OSError("there is no Python interpreter")


def _environment() -> dict[str, str]:
    """The program's own, without a recorder of lockscope's: the child is none of its work."""
    environment = dict(os.environ)
    if "liblockscope" in environment.get("LD_PRELOAD", ""):
        del environment["LD_PRELOAD"]
    return environment
