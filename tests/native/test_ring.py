"""A trace that has a greatest size keeps its newest part, and says what is gone."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recorded import environment

from lockscope.capture.preload import missing_sentence
from lockscope.trace.kinds import Kind, Recorder
from lockscope.trace.manifest import Manifest
from lockscope.trace.model import Trace
from lockscope.trace.reader import read_trace
from lockscope.trace.records import HEADER
from lockscope.trace.room import Room, RoomState

pytest_plugins = ["recorder_built"]

LEAST_RING, CHUNK, FIRST = 4, 16_384, 1_024


def limited_trace(folder: Path, limit: int) -> Path:
    folder.mkdir()
    Manifest(("command",), "/", "host", "boot", 0, "1970-01-01T00:00:00+00:00", {}).write(folder)
    Room(folder, limit)
    return folder


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def the_segment(folder: Path) -> np.void:
    [path] = folder.glob("*-native.segment")
    header: np.void = np.frombuffer(path.read_bytes()[: HEADER.itemsize], HEADER)[0]
    return header


def sequences_are_the_newest(trace: Trace, count: int) -> None:
    """The locks that were kept are the last ones, alternating, without one missing."""
    locks = trace.of_kind(Kind.LOCK)
    assert (LEAST_RING - 1) * CHUNK <= len(locks) < count
    assert np.all(np.diff(locks["began_ns"].astype(np.int64)) > 0)
    assert np.all(locks["mode"][1:] != locks["mode"][:-1])


def test_a_long_run_keeps_its_newest_part(actor: Path, library: Path, tmp_path: Path) -> None:
    trace = limited_trace(tmp_path / "r.trace", 8_000_000)
    pairs = 500_000
    command = [str(actor), "loop", str(tmp_path / "a.db"), str(pairs)]
    subprocess.run(command, env=environment(library, trace), check=True)
    assert folder_bytes(trace) <= 8_000_000
    assert the_segment(trace)["lost"] == 0
    read = read_trace(trace)
    sequences_are_the_newest(read, 2 * pairs)
    assert read.processes[0].exited
    # The file was named in the first chunk and once only; its name holds for the last records.
    assert {read.files[place].path for place in set(read.of_kind(Kind.LOCK)["file"].tolist())} == {
        str(tmp_path / "a.db")
    }
    [gap] = read.gaps
    assert "were overwritten (--max-size)" in gap.sentence
    told = int(gap.sentence.split(": ")[1].split()[0])
    assert told + len(read.records) >= int(the_segment(trace)["next"])


def test_names_outlive_the_turning_of_the_ring(actor: Path, library: Path, tmp_path: Path) -> None:
    # Each of these databases is met once, thousands of records behind the first chunk.
    trace = limited_trace(tmp_path / "r.trace", 8_000_000)
    command = [str(actor), "met-late", str(tmp_path / "a.db"), str(tmp_path / "late.db"), "300000"]
    subprocess.run(command, env=environment(library, trace), check=True)
    read = read_trace(trace)
    late = [place for place, file in enumerate(read.files) if file.path.endswith("late.db")]
    assert len(late) == 1
    assert read.of_kind(Kind.LOCK)["file"][-1] == late[0]
    assert not any("does not name" in gap.sentence for gap in read.gaps)


def test_threads_share_a_ring(actor: Path, library: Path, tmp_path: Path) -> None:
    trace = limited_trace(tmp_path / "r.trace", 8_000_000)
    command = [str(actor), "threads", str(tmp_path / "a.db"), "40000", "8"]
    subprocess.run(command, env=environment(library, trace), check=True)
    read = read_trace(trace)
    locks = read.of_kind(Kind.LOCK)
    assert len(locks) > 2 * CHUNK
    for thread in np.unique(locks["thread"]):
        modes = locks["mode"][locks["thread"] == thread]
        assert np.all(modes[1:] != modes[:-1])
    assert [gap for gap in read.gaps if "damaged" in gap.sentence] == []


def test_a_kill_leaves_a_ring_that_reads(actor: Path, library: Path, tmp_path: Path) -> None:
    for attempt in range(5):
        trace = limited_trace(tmp_path / f"{attempt}.trace", 8_000_000)
        command = [str(actor), "loop", str(tmp_path / "a.db"), "100000000"]
        with subprocess.Popen(command, env=environment(library, trace)) as process:
            # Killed once the ring has turned, wherever it then stands.
            while not list(trace.glob("*.segment")) or the_next(trace) < 8 * CHUNK + attempt:
                assert process.poll() is None
            process.send_signal(signal.SIGKILL)
        read = read_trace(trace)
        sequences_are_the_newest(read, int(the_segment(trace)["next"]))
        assert len(read.gaps) == 1


def the_next(trace: Path) -> int:
    try:
        return int(the_segment(trace)["next"])
    except (IndexError, ValueError):  # it has been made, but has no header yet
        return 0


def test_a_forked_child_has_a_ring_of_its_own(actor: Path, library: Path, tmp_path: Path) -> None:
    trace = limited_trace(tmp_path / "r.trace", 8_000_000)
    command = [str(actor), "fork-turning", str(tmp_path / "a.db"), "150000"]
    subprocess.run(command, env=environment(library, trace), check=True)
    read = read_trace(trace)
    assert len(read.processes) == 2
    assert len([gap for gap in read.gaps if "overwritten" in gap.sentence]) == 2
    assert all(process.exited and process.lost == 0 for process in read.processes)


def test_a_trace_without_a_limit_does_not_turn(actor: Path, library: Path, tmp_path: Path) -> None:
    trace = tmp_path / "t.trace"
    trace.mkdir()
    command = [str(actor), "loop", str(tmp_path / "a.db"), "100000"]
    subprocess.run(command, env=environment(library, trace), check=True)
    assert the_segment(trace)["ring_records"] == 0


@pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())
@pytest.mark.skipif(shutil.which("sh") is None, reason="no shell")
def test_ended_processes_make_room_for_new_ones(actor: Path, tmp_path: Path) -> None:
    script = f"i=0; while [ $i -lt 300 ]; do {actor} loop a.db 20; i=$((i+1)); done"
    command = [sys.executable, "-m", "lockscope", "trace", "-q", "-o", "t.trace"]
    command += ["--max-size", "8MB", "--", "sh", "-c", script]
    subprocess.run(command, cwd=tmp_path, check=True, env={**os.environ})
    trace = tmp_path / "t.trace"
    assert folder_bytes(trace) <= 8_000_000
    room = RoomState.read(trace)
    assert room is not None
    assert room.removed > 100
    kept = list(trace.glob("*-native.segment"))
    assert len(kept) + room.removed == 300
    read = read_trace(trace)
    [gap] = [gap for gap in read.gaps if "taken away" in gap.sentence]
    assert f"{room.removed} segments of processes that had ended" in gap.sentence
    assert sum(process.watched for process in read.processes) == len(kept)
    assert Recorder.SUPERVISOR.name.lower() in "".join(path.name for path in trace.iterdir())
