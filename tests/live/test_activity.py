"""What real processes do, as it is told from outside."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventually import eventually
from holders import COMPILER, held_by, needs_compiler, write_transaction
from lockscope.live.activity import Activity, activity
from lockscope.live.system_calls import _TABLES

_PR_SET_DUMPABLE = 4
_NOBODY = 65534
_TICK_S = 0.01  # the scheduler's clock may be behind by one: CONFIG_HZ is 100 or more

needs_linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc")
needs_calls = pytest.mark.skipif(
    not Path("/proc/self/syscall").exists() or os.uname().machine not in _TABLES,
    reason="the kernel shows no system calls here",
)
needs_clock = pytest.mark.skipif(not Path("/proc/self/sched").exists(), reason="no /proc/PID/sched")

pytestmark = needs_linux


@contextmanager
def _program(source: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program that has begun, and is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", f"print('begun', flush=True)\n{source}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "begun\n"
        try:
            yield program
        finally:
            program.kill()


def _seen(pid: int, doing: str) -> Activity:
    return eventually(lambda: activity(pid), lambda seen: seen.doing.startswith(doing))


@needs_calls
def test_a_holder_that_waits_for_input_is_idle(tmp_path: Path) -> None:
    with held_by(*write_transaction(tmp_path / "a.db")) as holder:
        seen = _seen(holder.pid, "waits for input")
    assert seen.doing == "waits for input from its standard input (a pipe)"
    assert not seen.note


@needs_calls
@pytest.mark.parametrize(
    ("source", "doing"),
    [
        ("while True: pass", "runs"),
        ("import select; select.poll().poll()", "waits for the network or a timer"),
        ("import select; select.epoll().poll()", "waits for the network or a timer"),
        ("import time; time.sleep(3600)", "sleeps, for another 3"),
        ("import signal; signal.pause()", "waits for a signal"),
        ("import socket; socket.create_server(('127.0.0.1', 0)).accept()", "waits for somebody"),
        ("import socket; a, b = socket.socketpair(); a.recv(1)", "waits for data from a socket"),
        ("import subprocess; subprocess.run(['cat'])", "waits for a child process to end"),
        ("import threading as t; lock = t.Lock(); lock.acquire(); lock.acquire()",
         "waits for another of its threads"),
        # The thread that tells most is told of, not the one that waits for it.
        ("import threading, time; threading.Thread(target=time.sleep, args=(3600,)).start()",
         "sleeps, for another 3"),
    ],
)  # fmt: skip
def test_what_a_process_does_is_told(source: str, doing: str) -> None:
    with _program(source) as program:
        _seen(program.pid, doing)


@needs_calls
@needs_compiler
def test_how_long_a_c_program_sleeps_is_read_from_its_memory(tmp_path: Path) -> None:
    program = tmp_path / "sleeper"
    source = tmp_path / "sleeper.c"
    source.write_text("#include <unistd.h>\nint main(void) { for (;;) sleep(1234); }\n")
    subprocess.run([str(COMPILER), "-o", program, source], check=True)
    with subprocess.Popen([program]) as sleeper:
        try:
            assert _seen(sleeper.pid, "sleeps").doing == "sleeps for 1234 s"
        finally:
            sleeper.kill()


def test_a_stopped_process_is_called_stopped() -> None:
    with _program("while True: pass") as program:
        program.send_signal(signal.SIGSTOP)
        stopped = _seen(program.pid, "is stopped")
        assert "SIGCONT" in stopped.doing
        program.send_signal(signal.SIGCONT)
        assert _seen(program.pid, "runs").idle_s is None


@needs_clock
def test_idle_time_grows_until_the_process_runs_again() -> None:
    with _program("import sys\nwhile True: sys.stdin.readline(); print('ran', flush=True)") as idle:
        assert idle.stdin is not None
        assert idle.stdout is not None
        eventually(lambda: activity(idle.pid).idle_s, lambda idle_s: (idle_s or 0) > 0.3)
        before_ns = time.monotonic_ns()
        print(file=idle.stdin, flush=True)
        assert idle.stdout.readline() == "ran\n"
        idle_s = eventually(lambda: activity(idle.pid).idle_s, lambda idle_s: idle_s is not None)
        since_s = (time.monotonic_ns() - before_ns) / 1e9
    assert idle_s is not None
    assert idle_s <= since_s + _TICK_S


@needs_clock
def test_the_processors_of_this_thread_are_left_as_they_were() -> None:
    before = os.sched_getaffinity(0)
    with _program("import sys; sys.stdin.read()") as program:
        eventually(lambda: activity(program.pid).idle_s, lambda idle_s: idle_s is not None)
    assert os.sched_getaffinity(0) == before


def test_a_process_that_ended_does_nothing() -> None:
    with _program("") as program:
        pid = program.pid
    assert activity(pid) == Activity("")


def test_what_may_not_be_read_is_said_and_not_guessed() -> None:
    hide = f"import ctypes, sys; ctypes.CDLL(None).prctl({_PR_SET_DUMPABLE}, 0); "
    with _program(f"{hide} print('hidden', flush=True); sys.stdin.read()") as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "hidden\n"
        doing, note = _as_an_ordinary_user(program.pid)
    assert doing == "waits"
    assert "kernel.yama.ptrace_scope" in note


def _as_an_ordinary_user(pid: int) -> list[str]:
    """What somebody sees who may trace no process of others: what it does, and the note."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setuid(_NOBODY)
            seen = eventually(lambda: activity(pid), lambda seen: seen.doing != "runs")
            os.write(writing, f"{seen.doing}\n{seen.note}\n".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        lines = told.read().splitlines()
    os.waitpid(child, 0)
    return lines


@needs_compiler
def test_the_numbers_of_system_calls_are_the_kernels(tmp_path: Path) -> None:
    names = _TABLES.get(os.uname().machine)
    if names is None:
        pytest.skip(f"no table for {os.uname().machine}")
    source = tmp_path / "numbers.c"
    lines = [f'printf("%d {name}\\n", __NR_{name});' for name in names.values()]
    source.write_text(
        "#include <stdio.h>\n#include <sys/syscall.h>\nint main(void) {" + "".join(lines) + "}\n"
    )
    assert COMPILER is not None
    subprocess.run([COMPILER, "-o", tmp_path / "numbers", source], check=True)
    told = subprocess.run([tmp_path / "numbers"], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == [f"{number} {name}" for number, name in names.items()]
