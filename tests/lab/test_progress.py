"""The live display: only on a terminal, one line a worker."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from lab_runs import lockscope_run
from lockscope.lab.events import Event, State
from lockscope.lab.plan import Plan, default_patience_s
from lockscope.remedies import STOCK
from lockscope.report.progress import Progress


def _shown(processes: int, *events: Event, height: int = 25) -> list[str]:
    plan = Plan("pets", processes, 2, 1, 0, STOCK, "pets.db", 5, 0, default_patience_s(1, 0, 5))
    console = Console(file=io.StringIO(), force_terminal=False, width=80, height=height)
    progress = Progress(plan, console)
    for event in events:
        progress.hear(event)
    with console.capture() as capture:
        console.print(progress._render())
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_who_waits_is_shown_with_whom_it_waits_for() -> None:
    asking = [Event(State.ASKING, 1, worker, 1, 1, f"r{worker}") for worker in (1, 2)]
    first, second, third = _shown(3, *asking, Event(State.HOLDING, 2, 2, 1, 1, "r2"))
    assert "r1: waiting for P2" in first
    assert "r2: holding" in second
    assert third.startswith("P3")
    assert third.endswith("started")


def test_nobody_waits_for_a_worker_that_has_let_go() -> None:
    asking = [Event(State.ASKING, 1, worker, 1, 1, f"r{worker}") for worker in (1, 2)]
    held = Event(State.HOLDING, 2, 2, 1, 1, "r2")
    first, second = _shown(2, *asking, held, Event(State.COMMITTED, 3, 2, 1, 1, "r2"))
    assert "r1: waiting" in first
    assert "for" not in first
    assert "r2: committed" in second


def test_where_not_all_have_room_the_holder_is_shown() -> None:
    lines = _shown(100, Event(State.HOLDING, 1, 77, 1, 1, "r77"), height=12)
    assert len(lines) <= 12
    assert any(line.startswith("P77") and "r77: holding" in line for line in lines)
    assert lines[-1] == "and 91 more"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_shows_the_workers_and_nothing_else_does(tmp_path: Path, no_color: str) -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": no_color}
    process = subprocess.Popen(
        [sys.executable, "-m", "lockscope", "run", "--hold", "300ms", "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # EIO: the other end is closed, pty(7)
        pass
    finally:
        os.close(ours)
    stdout, _ = process.communicate(timeout=100)
    assert b"lockscope.run/1" in stdout
    assert b"\x1b" not in stdout
    assert b"holding" in shown
    assert b"waiting for P" in shown
    assert (b"\x1b[36m" in shown) is not bool(no_color)


def test_many_workers_lose_nothing(tmp_path: Path) -> None:
    words = ("--processes", "40", "--records", "1", "--timeout", "100s", "--json")
    run = lockscope_run(tmp_path, *words)
    assert (run.status, run.document["committed"], len(run.document["rows"])) == (0, 40, 40)
