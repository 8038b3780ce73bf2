"""A traced program ends, speaks and sees its surroundings as it does untraced."""

import contextlib
import os
import pty
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from foreign_programs import FOLDER

from lockscope.capture.preload import missing_sentence

pytestmark = pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())

OURS = ("environment LD_PRELOAD=", "environment LOCKSCOPE_TRACE=")
FATAL = [
    number
    for number in sorted(signal.valid_signals())
    if number < signal.SIGRTMIN
    and number
    not in {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
    | {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
]


def traced(folder: Path, *command: object) -> list[str]:
    words = [sys.executable, "-m", "lockscope", "trace", "-q", "-o", str(folder / "t.trace"), "--"]
    return [*words, *map(str, command)]


@pytest.fixture(scope="session")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("witness") / "witness"
    subprocess.run(["cc", "-O2", "-o", program, FOLDER / "witness.c"], check=True)
    return program


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith(OURS)]


def unusual() -> None:
    """Surroundings that nobody has by chance."""
    os.umask(0o027)
    os.nice(3)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGALRM})
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 12345))
    resource.setrlimit(resource.RLIMIT_STACK, (4 << 20, 8 << 20))


@pytest.mark.parametrize("surroundings", [None, unusual], ids=["usual", "unusual"])
def test_it_sees_the_same_surroundings(
    witness: Path, tmp_path: Path, surroundings: Callable[[], None] | None
) -> None:
    read, write = os.pipe()
    seen = []
    for command in ([str(witness), "one", ""], traced(tmp_path, witness, "one", "")):
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            pass_fds=(read, write),
            preexec_fn=surroundings,
        )
        assert done.stderr == ""
        # The pipes of each run are others.
        seen.append(
            [line.split("[")[0] if "pipe:" in line else line for line in lines(done.stdout)]
        )
        assert len(lines(done.stdout)) > 120
    os.close(read)
    os.close(write)
    assert seen[1] == seen[0]


def in_terminal(command: list[str]) -> tuple[int, str]:
    """Run a command in a terminal of its own; its wait status and what stood there."""
    pid, terminal = pty.fork()
    if pid == 0:
        # Python ignores these for itself, and lockscope cannot tell that from its caller's wish.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(command[0], command)
    said = b"".join(until_closed(terminal))
    os.close(terminal)
    return os.waitpid(pid, 0)[1], said.decode()


def until_closed(terminal: int) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # EIO: the last process with the terminal has ended
        while said := os.read(terminal, 65536):
            yield said


def test_a_terminal_stays_one(witness: Path, tmp_path: Path) -> None:
    status, alone = in_terminal([str(witness)])
    assert status == 0
    status, told = in_terminal(traced(tmp_path, witness))
    assert status == 0
    # lockscope leads the session in its place: what it starts is led by it.
    different = {"leads group 1, session 1": "leads group 0, session 0"}
    different["parent's group 0, session 0"] = "parent's group 1, session 1"
    assert lines(told) == [different.get(line, line) for line in lines(alone)]
    assert "tty 1" in told


def status_of(command: list[str]) -> int:
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        _, said = process.communicate()
        assert said == b""
    return process.returncode


@pytest.mark.parametrize("number", FATAL, ids=lambda number: signal.Signals(number).name)
def test_each_signal_ends_it_alike(number: int, tmp_path: Path) -> None:
    program = f"import os; os.kill(os.getpid(), {number})"
    if number in {signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT}:  # Python takes these otherwise
        program = f"import signal; signal.signal({number}, signal.SIG_DFL); {program}"
    program = f"import resource as r; r.setrlimit(r.RLIMIT_CORE, (0, 0)); {program}"
    command = [sys.executable, "-c", program]
    assert status_of(command) == status_of(traced(tmp_path, *command)) == -number


@pytest.mark.parametrize("status", [0, 1, 2, 3, 64, 126, 127, 128, 129, 137, 255])
def test_each_status_is_passed_on(status: int, tmp_path: Path) -> None:
    command = ["sh", "-c", f"exit {status}"]
    assert status_of(command) == status_of(traced(tmp_path, *command)) == status


def test_streams_pass_every_byte(tmp_path: Path) -> None:
    every = bytes(range(256)) * 4096
    script = "cat; printf 'to stderr\\0\\377' >&2"
    for command in (["sh", "-c", script], traced(tmp_path, "sh", "-c", script)):
        done = subprocess.run(command, input=every, capture_output=True, check=True)
        assert done.stdout == every
        assert done.stderr == b"to stderr\0\xff"


def test_a_reader_that_goes_away_ends_it(tmp_path: Path) -> None:
    for command in (["yes"], traced(tmp_path, "yes")):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.read(2) == b"y\n"
            process.stdout.close()
        assert process.returncode == -signal.SIGPIPE


COUNTING = """\
import signal
got, both = [], [signal.SIGINT, signal.SIGTERM]
signal.pthread_sigmask(signal.SIG_BLOCK, both)
print("ready", flush=True)
while signal.SIGTERM not in got:
    got.append(signal.sigwait(both))
print([int(number) for number in got], flush=True)
"""
"""Blocked and waited for: one that is handled before a pause begins would leave it without end."""


def test_an_interrupt_from_the_terminal_comes_once(tmp_path: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(sys.executable, traced(tmp_path, sys.executable, "-c", COUNTING))
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 4096)
    os.write(terminal, b"\x03")
    while b"^C" not in said:
        said += os.read(terminal, 4096)
    os.kill(pid, signal.SIGTERM)
    said += b"".join(until_closed(terminal))
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0
    assert b"[2, 15]" in said


def test_a_suspended_job_stops_and_goes_on(tmp_path: Path) -> None:
    """What Ctrl-Z and `fg` do: a signal to the whole job."""
    program = "print('ready', flush=True); input(); print('done')"
    with subprocess.Popen(
        traced(tmp_path, sys.executable, "-c", program),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    ) as job:
        assert job.stdin is not None
        assert job.stdout is not None
        assert job.stdout.readline() == b"ready\n"
        os.killpg(job.pid, signal.SIGTSTP)
        _, status = os.waitpid(job.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert os.WSTOPSIG(status) == signal.SIGTSTP
        os.killpg(job.pid, signal.SIGCONT)
        assert job.communicate(b"\n")[0] == b"done\n"
    assert job.returncode == 0
