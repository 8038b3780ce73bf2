"""The Python stack of a process that goes on undisturbed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventually import eventually
from lockscope.live import stacks as module
from lockscope.live.stacks import Stack, StackReader, is_python

_NOBODY = 65534
_HOLDER = """\
import sqlite3, sys


def close_the_books(connection):
    connection.execute("BEGIN IMMEDIATE")
    print("held", flush=True)
    sys.stdin.read()


close_the_books(sqlite3.connect(sys.argv[1], isolation_level=None))
"""
_WAITS_AT = 7
_IMPOSSIBLE = re.compile("needs|version|support")


def _can_read() -> bool:
    """Whether py-spy is there, knows this Python, and may look into another process."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as probe:
        try:
            seen = eventually(
                lambda: StackReader([probe.pid]).stacks({})[probe.pid],
                lambda stack: stack.frames or _IMPOSSIBLE.search(stack.note),
            )
        finally:
            probe.kill()
    return bool(seen.frames)


needs_py_spy = pytest.mark.skipif(not _can_read(), reason="no py-spy that may read stacks here")


@contextmanager
def _held(folder: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A program of its own that holds a write lock."""
    program = folder / "books.py"
    program.write_text(_HOLDER)
    with subprocess.Popen(
        [sys.executable, program, folder / "books.db"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield program, holder
        assert holder.stdin is not None
        holder.stdin.close()
        assert holder.wait() == 0


def _stack(pid: int) -> Stack:
    """Read again where a loaded machine let the time run out."""
    return eventually(
        lambda: StackReader([pid]).stacks({})[pid], lambda seen: "within" not in seen.note
    )


@needs_py_spy
def test_function_and_line_of_a_holder_are_named(tmp_path: Path) -> None:
    with _held(tmp_path) as (program, holder):
        seen = eventually(lambda: _stack(holder.pid), lambda stack: stack.frames)
    assert seen.frames == (
        f"close_the_books ({program}:{_WAITS_AT})",
        f"<module> ({program}:10)",
    )
    assert seen.source == f"{program}:{_WAITS_AT}"
    assert not seen.note


@needs_py_spy
def test_a_stopped_holder_has_a_stack_and_stays_stopped(tmp_path: Path) -> None:
    with _held(tmp_path) as (program, holder):
        eventually(lambda: _stack(holder.pid), lambda stack: stack.frames)
        holder.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED)
        assert _stack(holder.pid).source == f"{program}:{_WAITS_AT}"
        assert Path(f"/proc/{holder.pid}/stat").read_text().rpartition(") ")[2][0] == "T"
        holder.send_signal(signal.SIGCONT)


@needs_py_spy
def test_library_frames_are_not_the_program_s_own_line(tmp_path: Path) -> None:
    program = tmp_path / "waits.py"
    program.write_text("import queue\nprint('begun', flush=True)\nqueue.Queue().get()\n")
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as waiting:
        try:
            seen = eventually(
                lambda: _stack(waiting.pid),
                lambda stack: stack.frames[:1] and "wait (" in stack.frames[0],
            )
        finally:
            waiting.kill()
    assert seen.source == f"{program}:3"


@needs_py_spy
def test_the_stack_of_another_thread_is_told_where_it_is_wanted(tmp_path: Path) -> None:
    program = tmp_path / "threads.py"
    program.write_text(
        "import sys, threading\n"
        "def work():\n"
        "    print(threading.get_native_id(), flush=True)\n"
        "    sys.stdin.read()\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    with subprocess.Popen(
        [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        tid = int(holder.stdout.readline())
        try:
            seen = eventually(
                lambda: StackReader([holder.pid]).stacks({holder.pid: tid})[holder.pid],
                lambda stack: stack.source == f"{program}:4",
            )
        finally:
            holder.kill()
    assert seen.frames[0] == f"work ({program}:4)"


def test_a_missing_py_spy_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    monkeypatch.setenv("PATH", str(tmp_path))
    [stack] = StackReader([os.getpid()]).stacks({}).values()
    assert stack == Stack(note="its Python stack needs py-spy: pip install 'lockscope[stacks]'")


@needs_py_spy
def test_a_missing_permission_is_said() -> None:
    """Of root's process to somebody else, or of the first process to an ordinary user."""
    if os.geteuid() != 0:
        [stack] = StackReader([1]).stacks({}).values()
        assert "ptrace permission" in stack.note
        return
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setuid(_NOBODY)
            [stack] = StackReader([os.getppid()]).stacks({}).values()
            os.write(writing, stack.note.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        note = told.read()
    os.waitpid(child, 0)
    assert "needs" in note


def test_a_py_spy_that_hangs_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = tmp_path / "py-spy"
    hangs.write_text("#!/bin/sh\nexec cat /dev/zero >/dev/null\n")
    hangs.chmod(0o755)
    monkeypatch.setattr(module, "_program", lambda: str(hangs))
    monkeypatch.setattr(module, "_PATIENCE_S", 0.1)
    [stack] = StackReader([os.getpid()]).stacks({}).values()
    assert "could not be read within" in stack.note


def test_what_py_spy_complains_of_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = tmp_path / "py-spy"
    fails.write_text("#!/bin/sh\necho 'Error: no such interpreter' >&2\nexit 1\n")
    fails.chmod(0o755)
    monkeypatch.setattr(module, "_program", lambda: str(fails))
    [stack] = StackReader([os.getpid()]).stacks({}).values()
    assert stack.note == "its Python stack could not be read: no such interpreter"


def test_a_python_process_is_told_from_another() -> None:
    assert is_python(os.getpid())
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        eventually(
            lambda: Path(f"/proc/{other.pid}/exe").readlink(),
            lambda path: "python" not in path.name,
        )
        assert not is_python(other.pid)
