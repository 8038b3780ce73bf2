"""A program on a terminal of its own, and what it shows there: a small part of ECMA-48."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

__all__ = ["Terminal", "on_terminal"]

_DEADLINE_S: Final = 60
_TOKEN: Final = re.compile(
    r"\x1b\[([0-9;?<>=$]*)([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[^\[\]]|[\r\n]|[^\x1b\r\n]+"
)


class Terminal:
    """What a program shows on its terminal.

    Attributes:
        program: The program.
        output: All that it wrote.
        file: The terminal's other end.
    """

    def __init__(self, program: subprocess.Popen[bytes], file: int, size: tuple[int, int]) -> None:
        self.program = program
        self.output = b""
        self.file = file
        self._width, self._height = size

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.file, keys.encode())

    def until(self, *wanted: str) -> str:
        """The screen once all of these texts are on it; the test fails where they never are."""
        deadline = time.monotonic() + _DEADLINE_S
        while True:
            screen = self.screen()
            if all(text in screen for text in wanted):
                return screen
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"no {wanted} on\n{screen}"
            assert self._read(left_s), f"it ended without {wanted} on\n{screen}"

    def end(self) -> int:
        """Read to its end; gives its exit status."""
        deadline = time.monotonic() + _DEADLINE_S
        while self._read(max(0.0, deadline - time.monotonic())):
            assert time.monotonic() < deadline, f"it does not end:\n{self.screen()}"
        return self.program.wait(_DEADLINE_S)

    def hang_up(self) -> None:
        """Take the terminal away, as a connection that breaks does."""
        os.close(self.file)
        self.file = -1

    def _read(self, seconds: float) -> bool:
        """Take in what comes; False where nothing more will."""
        if not select.select([self.file], [], [], seconds)[0]:
            return True
        with contextlib.suppress(OSError):  # EIO: nobody has the terminal open any more
            part = os.read(self.file, 1 << 16)
            self.output += part
            return bool(part)
        return False

    def screen(self) -> str:
        """What is to be seen."""
        blank = [" " * self._width] * self._height
        rows = blank.copy()
        x = y = 0
        for token in _TOKEN.finditer(self.output.decode("utf-8", "ignore")):
            text, final = token[0], token[2]
            if final == "H":
                y, x = (int(part or 1) - 1 for part in (token[1] or "1;1").split(";"))
            elif final == "J" or text in ("\x1b[?1049h", "\x1b[?1049l"):
                rows = blank.copy()
            elif text in "\r\n":
                y, x = (y, 0) if text == "\r" else (y + 1, x)
            elif text[0] != "\x1b":
                y = min(y, self._height - 1)
                rows[y] = (rows[y][:x] + text + rows[y][x + len(text) :])[: self._width]
                x += len(text)
        return "\n".join(row.rstrip() for row in rows)


def _take_terminal() -> None:
    """Be told of its keys' signals and of its end, as a program that a shell has started."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def on_terminal(
    *command: object,
    cwd: Path,
    size: tuple[int, int] = (80, 24),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """Run a program on a terminal; it is killed at the end of the block, where it still runs."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    drop = ("NO_COLOR", "COLUMNS", "LINES", "COLORTERM")
    inherited = {key: value for key, value in os.environ.items() if key not in drop}
    program = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env={**inherited, "TERM": "xterm-256color", **(environment or {})},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - tests run in one thread
    )
    os.close(theirs)
    terminal = Terminal(program, ours, size)
    try:
        yield terminal
    finally:
        if program.poll() is None:
            program.send_signal(signal.SIGKILL)
        program.wait()
        if terminal.file >= 0:
            os.close(ours)
