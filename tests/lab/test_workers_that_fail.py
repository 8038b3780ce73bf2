"""Workers that are killed, stopped, that raise or lie: the run ends, names them, counts right."""

import os
import select
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab_runs import finish, lockscope_run, start

if TYPE_CHECKING:
    from subprocess import Popen

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="workers are held by FIFOs")


def _verdicts(document: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {entry["record"]: entry["verdict"] for entry in document["audit"]}


def _held(request: pytest.FixtureRequest, folder: Path, *words: str) -> tuple["Popen[str]", int]:
    """A run whose P2 holds the lock and stays so, and the pid of that worker."""
    for name in ("holding", "go-on", "checking", "others"):
        os.mkfifo(folder / name)
    process = start(folder, words)
    pid = int(_said(process, folder / "holding"))
    request.addfinalizer(partial(os.close, os.open(folder / "others", os.O_RDWR)))
    return process, pid


def _said(process: "Popen[str]", fifo: Path) -> bytes:
    """What is written into a FIFO, or a failure if the run ends without a word."""
    # Opened for both: opening for reading alone would wait for ever for a writer that has died.
    descriptor = os.open(fifo, os.O_RDWR)
    try:
        if not select.select([descriptor], [], [], 60)[0]:
            process.kill()
            pytest.fail(f"nothing was said: {process.communicate()}")
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


def test_a_worker_killed_while_it_holds_the_lock_is_unknown_and_stops_nobody(
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    process, pid = _held(request, tmp_path, "own:Held", "--json", "-o", "out")
    os.kill(pid, signal.SIGKILL)
    run = finish(process)
    document = run.document
    assert run.status == 1
    assert _verdicts(document) == {
        **dict.fromkeys(("P1-1", "P1-2", "P3-1", "P3-2"), "committed and present"),
        "P2-1": "unknown and absent",
        "P2-2": "never tried",
    }
    assert (document["committed"], document["unknown"], document["never_tried"]) == (4, 1, 1)
    (killed,) = [worker for worker in document["workers"] if not worker["orderly"]]
    assert (killed["worker"], killed["pid"], killed["exit_status"]) == ("P2", pid, -9)
    (unknown,) = [entry for entry in document["attempts"] if entry["outcome"] == "unknown"]
    assert unknown["error"] == "the worker was killed by signal SIGKILL"
    assert "P2    ended: it was killed by signal SIGKILL" in (
        (tmp_path / "out" / "transcript.txt").read_text()
    )


def test_a_stopped_worker_is_killed_when_patience_ends_and_blamed(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    process, pid = _held(
        request, tmp_path, "own:Held", "--json", "--patience", "2s", "--timeout", "300ms"
    )
    os.kill(pid, signal.SIGSTOP)
    run = finish(process)
    document = run.document
    assert run.status == 1
    (killed,) = [worker for worker in document["workers"] if not worker["orderly"]]
    assert killed["worker"] == "P2"
    assert "was stopped (state T) and said nothing for" in killed["ended"]
    assert "longer than --patience 2s" in killed["ended"]
    failed = [entry for entry in document["attempts"] if entry["outcome"] == "failed"]
    assert failed
    assert {entry["blockers"][0]["worker"] for entry in failed} == {"P2"}


def test_a_worker_that_is_silent_too_long_is_killed(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    process, _ = _held(request, tmp_path, "own:Held", "--patience", "1s", "--timeout", "100ms")
    run = finish(process)
    assert run.status == 1
    words = " ".join(run.stdout.split())
    assert "said nothing for 1.0 s, longer than --patience 1s, and was killed" in words
    assert "was stopped" not in words


def test_a_worker_that_raises_goes_on_with_its_next_transaction(tmp_path: Path) -> None:
    document = lockscope_run(tmp_path, "own:Raises", "--json").document
    (failed,) = [entry for entry in document["attempts"] if entry["outcome"] == "failed"]
    assert (failed["record"], failed["error"]) == ("P2-1", "ValueError: no such luck")
    assert failed["code"] is None
    line = next(
        number
        for number, text in enumerate((tmp_path / "own.py").read_text().splitlines(), 1)
        if "no such luck" in text
    )
    assert failed["source"] == f"{tmp_path / 'own.py'}:{line}"
    assert (document["committed"], document["failed"], document["missing"]) == (5, 1, ["P2-1"])


def test_a_worker_that_leaves_ends_nobody_but_itself(tmp_path: Path) -> None:
    document = lockscope_run(tmp_path, "own:Leaves", "--json").document
    verdicts = _verdicts(document)
    assert (verdicts["P2-1"], verdicts["P2-2"]) == ("failed", "never tried")
    assert document["committed"] == 4
    (left,) = [worker for worker in document["workers"] if not worker["orderly"]]
    assert left["ended"] == "exited with status 7 before its work was done"


def test_the_audit_sees_through_a_workload_that_lies(tmp_path: Path) -> None:
    run = lockscope_run(tmp_path, "own:Liar", "--json")
    document = run.document
    assert run.status == 1
    verdicts = _verdicts(document)
    assert verdicts["P1-1"] == verdicts["P1-2"] == "committed and absent"
    assert (document["committed"], document["lost"]) == (6, 2)
    assert sorted(document["duplicates"]) == ["P2-1", "P2-2", "stranger"]
    assert document["unexpected"] == ["stranger"]


def test_failed_and_present_is_caught(tmp_path: Path) -> None:
    document = lockscope_run(tmp_path, "own:CommitsThenRaises", "--json").document
    assert _verdicts(document)["P1-1"] == "failed and present"
    assert document["unexpected"] == ["P1-1"]
    assert document["missing"] == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits of file sizes as Linux keeps them")
def test_a_commit_that_the_disk_cut_off_is_unknown(tmp_path: Path) -> None:
    document = lockscope_run(tmp_path, "own:DiskFull", "--json", "--processes", "1").document
    second = document["attempts"][1]
    assert (second["record"], second["outcome"]) == ("P1-2", "unknown")
    assert second["code"] is not None
    assert document["unknown"] == 1


def test_ctrl_c_ends_the_workers_and_still_answers(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    process, pid = _held(request, tmp_path, "own:Held", "--json")
    process.send_signal(signal.SIGINT)
    run = finish(process)
    document = run.document
    assert run.status == 1
    assert document["interrupted"] is True
    assert _verdicts(document)["P2-1"] == "unknown and absent"
    assert {worker["pid"] for worker in document["workers"]} >= {pid}
    assert not Path(f"/proc/{pid}").exists()


def test_ctrl_c_before_anything_ran_leaves_nothing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    process, _ = _held(request, tmp_path, "own:SlowSetup", "-o", "out")
    process.send_signal(signal.SIGINT)
    (tmp_path / "go-on").write_text("")
    run = finish(process)
    assert (run.status, run.stdout) == (3, "")
    assert run.stderr == ("lockscope: Stopped before anything ran; nothing was left behind.\n")
    assert not (tmp_path / "out").exists()


def test_a_second_ctrl_c_breaks_off(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    process, pid = _held(request, tmp_path, "own:SlowCheck", "-o", "out")
    process.send_signal(signal.SIGINT)
    _said(process, tmp_path / "checking")
    process.send_signal(signal.SIGINT)
    run = finish(process)
    assert run.status == 1
    assert "Broken off by a second Ctrl-C" in run.stderr
    assert "Traceback" not in run.stderr
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs a descriptor of a process")
def test_workers_die_with_a_lab_that_is_killed(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    process, pid = _held(request, tmp_path, "own:Held")
    worker = os.pidfd_open(pid)
    try:
        process.kill()
        process.communicate(timeout=100)
        assert select.select([worker], [], [], 60)[0]
    finally:
        os.close(worker)


def test_what_the_workload_prints_is_kept_and_the_seed_decides(tmp_path: Path) -> None:
    def printed(name: str, seed: str) -> list[str]:
        run = lockscope_run(tmp_path, "own:Dice", "-o", name, "--seed", seed)
        assert run.status == 0
        assert "output.txt" in run.stdout
        return sorted((tmp_path / name / "output.txt").read_text().splitlines())

    first = printed("a", "1")
    assert len(first) == 6
    assert printed("b", "1") == first
    assert printed("c", "2") != first
