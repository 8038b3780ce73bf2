"""Where the native recorder lies, and why it cannot be used where it cannot."""

import os
import sys
from pathlib import Path
from typing import Final

__all__ = [
    "ENVIRONMENT_LITERALS",
    "ENVIRONMENT_TRACE",
    "LIBRARY",
    "is_recorded",
    "missing_sentence",
]

ENVIRONMENT_TRACE: Final = "LOCKSCOPE_TRACE"
ENVIRONMENT_LITERALS: Final = "LOCKSCOPE_LITERALS"

LIBRARY: Final = Path(__file__).parent / "native" / "liblockscope.so"
"""The interposer, made by `hatch_build.py` when lockscope was installed."""


def missing_sentence() -> str:
    """One line that says why locks cannot be recorded here; empty where they can."""
    if sys.platform != "linux":
        return (
            f"lock-level capture needs Linux; on {sys.platform} only what workers themselves "
            "record is kept."
        )
    if not LIBRARY.exists():
        return (
            "lock-level capture is off: lockscope was installed without a C compiler. Install one "
            "(Debian: apt-get install gcc libc6-dev) and reinstall lockscope."
        )
    return ""


def is_recorded() -> bool:
    """Whether this process was started under a recording."""
    return ENVIRONMENT_TRACE in os.environ and str(LIBRARY) in os.environ.get("LD_PRELOAD", "")
