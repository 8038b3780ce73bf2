"""The Python stack of another process, read by py-spy without pausing it.

py-spy (https://github.com/benfred/py-spy) reads the interpreter's memory from outside, so that it
works while the process is stopped, and for a process that waits inside SQLite. It is an optional
extra, `lockscope[stacks]`.
"""

import contextlib
import os
import re
import select
import sys
import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

__all__ = ["Stack", "StackReader", "is_python"]

_PROGRAM: Final = "py-spy"
_PATIENCE_S: Final = 2.0
_MOST: Final = 8
"""Each costs about 20 ms of a processor."""
_PIPE_BYTES: Final = 1 << 16
_MISSING: Final = "its Python stack needs py-spy: pip install 'lockscope[stacks]'"
_FORBIDDEN: Final = "its Python stack needs the same user, or ptrace permission (root has it)"
_LATE: Final = f"its Python stack could not be read within {_PATIENCE_S:.0f} s"
_TOO_MANY: Final = f"its Python stack was not read: no more than {_MOST} are at a time"
_LIBRARY: Final = r"/(site|dist)-packages/|/lib(64)?/python3[^/]*/|^<frozen "
"""Files that are not the program's own: installed packages, the standard library."""
_DENIED: Final = r"(?i)permission|not permitted|os error (1|13)\b"
_SIGKILL: Final = 9
"""`signal(7)`; the module of that name would cost a start without any stack 2 ms."""


class Stack(NamedTuple):
    """The Python stack of one thread.

    Attributes:
        frames: Innermost first, as `function (file:line)`.
        source: `file:line` of the innermost frame that is the program's own code, neither the
            standard library's nor an installed package's; None where there is none.
        note: Why there is none, as a clause; empty where there is one.
    """

    frames: tuple[str, ...] = ()
    source: str | None = None
    note: str = ""


def is_python(pid: int) -> bool:
    """Whether a process runs a Python interpreter, as a program of its own or embedded."""
    with contextlib.suppress(OSError):
        program = os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - one of many
        if program.rpartition("/")[2].startswith("python"):
            return True
    with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", "rb") as maps:  # noqa: PTH123
        return b"/libpython3" in maps.read()
    return False


class StackReader:
    """Reads the stacks of several processes at once, while its caller does something else.

    Args:
        pids: Processes that run Python.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._deadline = time.monotonic() + _PATIENCE_S
        self._notes: dict[int, str] = {}
        self._dumps: dict[int, _Dump] = {}
        program = _program()
        for pid in pids:
            if program is None:
                self._notes[pid] = _MISSING
            elif len(self._dumps) == _MOST:
                self._notes[pid] = _TOO_MANY
            else:
                self._begin(program, pid)

    def stacks(self, threads: dict[int, int]) -> dict[int, Stack]:
        """The stacks, once all of them were read or the time is over.

        Args:
            threads: Of which thread of a process the stack is wanted; where it runs no Python, and
                of a process that is not there, it is the first one's.
        """
        self._read()
        found = {pid: Stack(note=note) for pid, note in self._notes.items()}
        for pid, dump in self._dumps.items():
            found[pid] = dump.stack(threads.get(pid, pid))
        self._dumps.clear()
        return found

    def _begin(self, program: str, pid: int) -> None:
        try:
            self._dumps[pid] = _Dump(program, pid)
        except OSError as error:
            self._notes[pid] = f"its Python stack could not be read: {program}: {error.strerror}"

    def _read(self) -> None:
        waiting = select.poll()
        open_files = {file: dump for dump in self._dumps.values() for file in dump.parts}
        for file in open_files:
            waiting.register(file, select.POLLIN)
        while open_files and (left_s := self._deadline - time.monotonic()) > 0:
            for file, _ in waiting.poll(left_s * 1000):
                if not open_files[file].read(file):
                    waiting.unregister(file)
                    del open_files[file]
        late = set(open_files.values())
        for dump in self._dumps.values():
            dump.end(is_late=dump in late)


class _Dump:
    """One py-spy at work; `parts` are its standard output and error, by descriptor."""

    def __init__(self, program: str, pid: int) -> None:
        command = [program, "dump", "--json", "--nonblocking", "--pid", str(pid)]
        self._pid = pid
        self._status = -1
        self._is_late = False
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        self.parts: dict[int, bytearray] = {out: bytearray(), err: bytearray()}
        actions = [(os.POSIX_SPAWN_DUP2, out_end, 1), (os.POSIX_SPAWN_DUP2, err_end, 2)]
        try:
            self._child = os.posix_spawn(program, command, os.environ, file_actions=actions)
        except OSError:
            os.close(out)
            os.close(err)
            raise
        finally:
            os.close(out_end)
            os.close(err_end)

    def read(self, file: int) -> bool:
        """Take what is there; False once that is all."""
        part = os.read(file, _PIPE_BYTES)
        self.parts[file] += part
        return bool(part)

    def end(self, *, is_late: bool) -> None:
        """Give everything back."""
        self._is_late = is_late
        if is_late:
            os.kill(self._child, _SIGKILL)
        # Whoever ignores SIGCHLD has no child to wait for (wait(2)).
        with contextlib.suppress(ChildProcessError):
            self._status = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        for file in self.parts:
            os.close(file)

    def stack(self, wanted: int) -> Stack:
        """The stack of a thread."""
        out, err = (bytes(part).decode("utf-8", "replace") for part in self.parts.values())
        if self._is_late:
            return Stack(note=_LATE)
        import json  # noqa: PLC0415 - not free, and not needed where there is no stack

        try:
            threads = json.loads(out)
        except ValueError:
            return Stack(note=_reason(err))
        with_frames = [thread for thread in threads if thread["frames"]]
        order = (wanted, self._pid)
        return next(
            (_stack(thread) for tid in order for thread in with_frames if _tid(thread) == tid),
            _stack(with_frames[-1]) if with_frames else Stack(note="no Python runs in it now"),
        )


def _tid(thread: dict[str, Any]) -> int | None:
    number: int | None = thread["os_thread_id"]
    return number


def _stack(thread: dict[str, Any]) -> Stack:
    places = [(frame["name"], f"{frame['filename']}:{frame['line']}") for frame in thread["frames"]]
    return Stack(
        tuple(f"{name} ({place})" for name, place in places),
        next((place for _, place in places if not re.search(_LIBRARY, place)), None),
    )


def _reason(error: str) -> str:
    if re.search(_DENIED, error):
        return _FORBIDDEN
    line = next((line for line in error.splitlines() if line.strip()), "py-spy said nothing")
    return f"its Python stack could not be read: {line.removeprefix('Error: ')}"


def _program() -> str | None:
    """Where py-spy is: beside the interpreter of lockscope's own environment, or on the path."""
    beside = os.path.dirname(sys.executable)  # noqa: PTH120 - as the folders of PATH
    for folder in (beside, *os.environ.get("PATH", "").split(os.pathsep)):
        candidate = f"{folder}/{_PROGRAM}"
        if os.access(candidate, os.X_OK):
            return candidate
    return None
