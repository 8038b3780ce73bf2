"""`lockscope trace`: record any program, unmodified."""

import argparse
import contextlib
import errno
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Self

from lockscope.capture.recording import Recording, dated_folder
from lockscope.cli import attach, gates
from lockscope.cli.sizes import size
from lockscope.errors import (
    EXIT_OK,
    EXIT_UNABLE,
    CaptureError,
    LockscopeError,
    UsageError,
)

if TYPE_CHECKING:
    from lockscope.analysis import Analysis

__all__ = ["DESCRIPTION", "configure", "run"]

DESCRIPTION: Final = """\
Run a command and record every lock that it, and whatever it starts, takes on SQLite databases.

The command is not changed: its input, output and exit status are its own. What was seen is told on
stderr at the end, and kept in a folder that `lockscope report` reads.

With --database no command is run: who locks that database is sampled from outside, in programs that
already run, 1,000 times a second. What is shorter than a sample may be missed, and waits cannot be
seen.

  lockscope trace --database app.db --for 30s

For continuous integration --fail-on, --max-hold and --max-wait are gates: what the trace may not
show.

  lockscope trace --fail-on failed,unsafe --max-hold 200ms -- pytest

exit status: that of the command, also where a signal ended it, 0 with --database; 1 where the
command succeeded and a gate is broken; 3 where it could not be started or recorded
"""

_NOT_STARTED: Final = {
    errno.ENOENT: "the interpreter that it names is missing",  # the file itself was found
    errno.ENOEXEC: "it is no program for this machine, and as a script it lacks a first line #!",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = (
        "lockscope trace [-h] [-o DIR] [--literals] [--max-size SIZE] [-q | --brief]\n"
        f"                       {gates.USAGE}\n"
        "                       -- COMMAND ...\n"
        "       lockscope trace [-h] [-o DIR] [-q] --database PATH [--for TIME] [--rate N]"
    )
    parser.add_argument(
        "-o",
        dest="folder",
        metavar="DIR",
        type=Path,
        help="folder of the trace (default: COMMAND-DATE-TIME.trace)",
    )
    parser.add_argument(
        "--literals",
        action="store_true",
        help="keep the literals of SQL text, which are masked by default",
    )
    parser.add_argument(
        "--max-size",
        metavar="SIZE",
        type=size,
        help="keep the newest part of the trace, in so many bytes: 64MB, 2G (default: keep all)",
    )
    attach.configure(parser)
    gates.configure(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="do not report at the end")
    parser.add_argument(
        "--brief",
        action="store_true",
        help="report in one line: where the trace is, and the causes",
    )
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run, after --"
    )


def run(arguments: argparse.Namespace) -> int:
    """Record the command and report; gives its exit status, or dies of the signal that it died
    of.
    """
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if arguments.databases:
        if gates.gates_of(arguments) is not None:
            raise UsageError("Gates are for a command: neither waits nor causes can be sampled.")
        return attach.attach(arguments)
    if arguments.seconds is not None or arguments.rate is not None:
        raise UsageError("--for and --rate go with --database: a command is recorded to its end.")
    if not command:
        raise UsageError("lockscope trace needs a command: lockscope trace -- COMMAND ...")
    if shutil.which(command[0]) is None:
        raise CaptureError(
            f"{command[0]}: no such command, or it may not be executed; nothing was recorded."
        )
    folder = arguments.folder or _default_folder(command)
    recording = Recording(
        folder, tuple(command), literals=arguments.literals, max_size=arguments.max_size
    )
    if recording.missing:
        print(f"lockscope: {recording.missing}", file=sys.stderr)
    status = _run_recorded(command, recording)
    passed = _tell(recording.folder, arguments)
    return _end_like(status) or passed


def _run_recorded(command: list[str], recording: Recording) -> int:
    status = None
    try:
        with _Signals() as signals, recording:
            status = _wait_for(command, recording, signals)
    except (CaptureError, OSError) as error:
        if status is None or not isinstance(error, OSError):
            shutil.rmtree(recording.folder, ignore_errors=True)
            raise
        # The folder was taken away, or its disk is full: the command's exit status is what counts.
        folder = recording.folder
        print(f"lockscope: {folder} cannot be finished: {error.strerror}", file=sys.stderr)
    return status


def _default_folder(command: list[str]) -> Path:
    # `python script.py` is better remembered by its script; `python -c CODE` by nothing of it.
    words = [word for word in command if not word.startswith("-")]
    script = len(words) > 1 and Path(words[0]).name.startswith("python") and "-c" not in command
    named = words[1] if script else command[0]
    return dated_folder(Path(named).stem or "command")


class _Signals:
    """Signals that would end us while we stand in for the command go to it, and it decides."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
            # One that was ignored when we were started (nohup) stays so for the command too.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._forward)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def heed_until_end(self) -> None:
        """Wait for the command's end, and run the handler of each signal at once.

        One that comes between Python's look for signals and waitpid would be forwarded only when
        the command has ended: the pipe, which Python's own C handler writes to, ends the poll.
        """
        if self.child is None or not hasattr(os, "pidfd_open"):
            return
        with contextlib.ExitStack() as stack:
            try:
                ended = os.pidfd_open(self.child.pid)
            except OSError:  # Linux before 5.3, or no descriptor left
                return
            stack.callback(os.close, ended)
            heard, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            stack.callback(os.close, heard)
            stack.callback(os.close, told)
            stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(told))
            poll = select.poll()
            poll.register(ended, select.POLLIN)
            poll.register(heard, select.POLLIN)
            while ended not in dict(poll.poll()):
                os.read(heard, select.PIPE_BUF)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        if self.child is None:
            raise KeyboardInterrupt
        # The terminal sends SIGINT and SIGQUIT to the command too: twice would be once too often.
        if number in (signal.SIGTERM, signal.SIGHUP):
            self.child.send_signal(number)


def _wait_for(command: list[str], recording: Recording, signals: _Signals) -> int:
    environment = recording.environment(os.environ)
    try:
        # Descriptors that were given to us (a socket, `3<file`) are meant for the command.
        child = signals.child = subprocess.Popen(command, env=environment, close_fds=False)
    except OSError as error:
        reason = _NOT_STARTED.get(error.errno or 0, error.strerror)
        raise CaptureError(f"{command[0]} cannot be started: {reason}.") from error
    signals.heed_until_end()
    recording.exit_status = child.wait()
    recording.ended(child.pid, recording.exit_status)
    return recording.exit_status


def _tell(folder: Path, arguments: argparse.Namespace) -> int:
    """Report, and let the trace pass the gates; 0 where it does, or where there are none."""
    asked = gates.gates_of(arguments)
    if arguments.quiet and asked is None:
        return EXIT_OK
    try:
        analysis = _report(folder, arguments)
        return gates.pass_gates(analysis, asked, arguments.junit) if asked else EXIT_OK
    # The command has ended: whatever becomes of our report, its exit status is what counts. A gate
    # that nothing could be said of has not been passed.
    except LockscopeError as error:
        print(f"lockscope: no report: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"lockscope: interrupted; `lockscope report {folder}` reports", file=sys.stderr)
    return EXIT_OK if asked is None else EXIT_UNABLE


def _report(folder: Path, arguments: argparse.Namespace) -> "Analysis":
    # Imported here: numpy and rich are slow, and the command must not wait for them.
    from lockscope.report import terminal  # noqa: PLC0415

    if arguments.quiet or arguments.brief:
        analysis = terminal.print_report(folder, None)
    else:
        print(file=sys.stderr)
        analysis = terminal.print_report(folder, sys.stderr)
    if arguments.brief and not arguments.quiet:
        print(
            f"lockscope: {terminal.brief(analysis)} `lockscope report {_near(folder)}` tells more.",
            file=sys.stderr,
        )
    return analysis


def _near(folder: Path) -> Path:
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _end_like(status: int) -> int:
    if status >= 0:
        return status
    # A shell that started us must see the same signal as if it had started the command.
    sys.stdout.flush()
    sys.stderr.flush()
    _no_core_dump()
    if -status not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
    return 128 - status


def _no_core_dump() -> None:
    import resource  # noqa: PLC0415 - not on every system, and only needed here

    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
