"""Holders that do not go on are told once, and once more when they do."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lockscope.capture.holder_states import HolderStates

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")  # noqa: PTH110


@pytest.fixture
def sleeper() -> Iterator[int]:
    program = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def stopped(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


def test_a_stopped_holder_is_told_when_two_looks_show_it(sleeper: int) -> None:
    states = HolderStates()
    assert states.changed({sleeper}) == []
    stopped(sleeper)
    assert states.changed({sleeper}) == []
    assert states.changed({sleeper}) == [(sleeper, ord("T"))]
    assert states.changed({sleeper}) == []
    os.kill(sleeper, signal.SIGCONT)
    os.waitid(os.P_PID, sleeper, os.WCONTINUED)
    assert states.changed({sleeper}) == [(sleeper, 0)]
    assert states.changed({sleeper}) == []


def test_a_stopped_process_that_holds_nothing_more_is_no_holder(sleeper: int) -> None:
    states = HolderStates()
    stopped(sleeper)
    states.changed({sleeper})
    assert states.changed({sleeper}) == [(sleeper, ord("T"))]
    assert states.changed(set()) == [(sleeper, 0)]
    assert states.changed(set()) == []


def test_of_many_holders_each_has_its_turn(sleeper: int) -> None:
    states = HolderStates()
    stopped(sleeper)
    nobody = set(range(1 << 23, (1 << 23) + 100))  # beyond pid_max: nobody's
    told = [change for _ in range(30) for change in states.changed(nobody | {sleeper})]
    assert told == [(sleeper, ord("T"))]
