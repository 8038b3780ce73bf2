"""Processes that hold a lock until they are told to let go: a plain program, a static one, OFD."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["RESERVED", "held_by", "holder_program", "needs_compiler", "write_transaction"]

RESERVED = 0x40000001
COMPILER = shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

_TRANSACTION = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


def holder_program(folder: Path, *flags: str) -> Path:
    """The compiled holder; it ends as untested where the machine cannot build it so."""
    assert COMPILER is not None
    source = Path(__file__).parent / "capture" / "holder.c"
    program = folder / "holder"
    built = subprocess.run(
        [COMPILER, *flags, "-o", program, source], capture_output=True, check=False
    )
    if built.returncode:
        pytest.skip(f"cannot build with {' '.join(flags)}")
    return program


def write_transaction(database: Path) -> list[str]:
    """The command of a plain Python program in a write transaction."""
    return [sys.executable, "-c", _TRANSACTION, str(database)]


@contextlib.contextmanager
def held_by(*command: object) -> Iterator[subprocess.Popen[str]]:
    """A program that holds its lock as long as the block lasts."""
    words = [str(word) for word in command]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        assert holder.stdin is not None
        holder.stdin.close()
        assert holder.wait() == 0
