"""Self-tests with real processes: is a lock seen by another process, and can one be recorded
here.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lockscope.capture.recording import Recording
from lockscope.errors import LockscopeError

__all__ = ["Found", "hook_check", "lock_check"]

_HOLDER: Final = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("CREATE TABLE t(x)")
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""
"""Holds the write lock from its line on standard output until the end of its standard input."""

_PATIENCE_S: Final = 30


@dataclass(frozen=True, slots=True)
class Found:
    """What a self-test found; `verdict` as `environment.Verdict`."""

    verdict: Literal["fine", "failed", "unknown", "warning"]
    found: str
    advice: str = ""


def lock_check(folder: Path) -> Found:
    """Whether a lock that one process takes on a database in a folder is seen by another."""
    try:
        room = Path(tempfile.mkdtemp(prefix=".lockscope-check-", dir=folder))
    except OSError as error:
        return Found("unknown", f"nothing can be written in {folder}: {error.strerror}")
    try:
        return _two_processes(room / "check.db")
    except (OSError, sqlite3.Error, subprocess.SubprocessError) as error:
        return Found("unknown", f"could not be tried: {error}")
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _two_processes(database: Path) -> Found:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline().strip() != b"held":
            why = _last_line(holder.stderr.read())
            return Found("unknown", f"the process that was to hold a lock could not: {why}")
        held = _is_locked(database)
        holder.communicate(b"\n", timeout=_PATIENCE_S)
        freed = not _is_locked(database)
    if held and freed:
        return Found(
            "fine", "one process took the write lock, another was kept out until it was freed"
        )
    return Found(
        "failed",
        "two processes held the write lock at once" if freed else "a freed lock still seems taken",
        "Do not share a database on this file system: it will be corrupted. Use a local one.",
    )


def _last_line(words: bytes) -> str:
    return (words.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


def _is_locked(database: Path) -> bool:
    connection = sqlite3.connect(database, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False


def hook_check() -> Iterable[tuple[str, Found]]:
    """Whether the interposer records locks here, and the hook statements: by recording a program
    that takes some.
    """
    room = None
    try:
        room = Path(tempfile.mkdtemp(prefix="lockscope-check-"))
        recording = Recording(room / "check.trace", ("check",))
        if recording.missing:
            found = Found("warning", recording.missing)
            return (("interposition", found), ("Python hook", found))
        with recording:
            _hold_and_free(room / "check.db", recording)
        return tuple(_recorded(recording.folder))
    except subprocess.CalledProcessError as error:
        found = Found("unknown", f"a test program failed: {_last_line(error.stderr)}")
        return (("interposition", found), ("Python hook", found))
    except (LockscopeError, OSError, subprocess.SubprocessError) as error:
        found = Found("unknown", f"could not be tried: {error}")
        return (("interposition", found), ("Python hook", found))
    finally:
        if room:
            shutil.rmtree(room, ignore_errors=True)


def _hold_and_free(database: Path, recording: Recording) -> None:
    subprocess.run(
        [sys.executable, "-c", _HOLDER, str(database)],
        env=recording.environment(os.environ),
        input=b"\n",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=True,
        timeout=_PATIENCE_S,
    )


def _recorded(trace: Path) -> Iterable[tuple[str, Found]]:
    from lockscope.trace.kinds import Kind  # noqa: PLC0415 - with the reader
    from lockscope.trace.reader import read_trace  # noqa: PLC0415 - numpy, and only here

    seen = read_trace(trace)
    locks, statements = len(seen.of_kind(Kind.LOCK)), len(seen.of_kind(Kind.STATEMENT))
    advice = "Is another LD_PRELOAD library, or a setting such as AT_SECURE, in the way?"
    if locks:
        yield "interposition", Found("fine", f"recorded {locks} lock requests of a test program")
    else:
        yield "interposition", Found("failed", "a test program's locks were not recorded", advice)
    if statements:
        yield "Python hook", Found("fine", f"recorded {statements} statements of a test program")
    else:
        yield "Python hook", Found("failed", "a test program's statements were not recorded")
