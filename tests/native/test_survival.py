import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from recorded import Play, Recorded, environment, run, segments

from lockscope.trace.kinds import SEQUENCE_MODULUS, Kind
from lockscope.trace.records import HEADER

pytest_plugins = ["recorder_built"]

CHUNK = 16_384


def assert_whole(segment: Recorded) -> None:
    """Every slot that was handed out was written, under its own number."""
    assert segment.header["lost"] == segment.header["blind_ns"] == 0
    used = int(segment.header["next"])
    wanted = np.arange(used) % SEQUENCE_MODULUS + 1
    assert np.array_equal(segment.slots["sequence"][:used], wanted)
    assert not segment.slots["sequence"][used:].any()


def test_a_killed_process_leaves_what_it_had_done(
    transactions: Path, library: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    trace.mkdir()
    command = [str(transactions), str(tmp_path / "a.db"), "1000000000"]
    with subprocess.Popen(command, env=environment(library, trace)) as process:
        while recorded_so_far(trace) < 3 * CHUNK:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    (segment,) = segments(trace)
    used = int(segment.header["next"])
    assert used >= 3 * CHUNK
    sequences = segment.slots["sequence"][:used]  # one fewer, killed while the segment grew
    written = sequences == np.arange(1, len(sequences) + 1)
    assert len(written) >= used - 1
    assert written[: used - 1].all()  # at most the record it was writing is torn
    assert segment.header["lost"] == 0


def recorded_so_far(trace: Path) -> int:
    for path in trace.glob("*.segment"):
        head = path.read_bytes()[: HEADER.itemsize]
        if len(head) == HEADER.itemsize:
            return int(np.frombuffer(head, HEADER)[0]["next"])
    return 0


def test_threads_lose_nothing_and_keep_their_order(play: Play, tmp_path: Path) -> None:
    threads, count = 8, 12_000
    segment = play("threads", tmp_path / "a.db", str(count), str(threads)).only
    assert_whole(segment)
    assert segment.header["next"] > 10 * CHUNK  # old chunks have been unmapped on the way
    locks = segment.of(Kind.LOCK)
    assert len(locks) == threads * count * 2
    for thread in np.unique(locks["thread"]):
        mine = locks[locks["thread"] == thread]
        assert mine["mode"].tolist() == [2, 0] * count
        assert np.all(np.diff(mine["began_ns"].astype(np.int64)) > 0)
    writes = segment.of(Kind.WRITES)
    assert writes["start"].sum() == writes["length"].sum() == threads * count


def test_a_signal_handler_may_lock_as_well(play: Play, tmp_path: Path) -> None:
    ran = play("signals", tmp_path / "a.db", tmp_path / "a.db-shm", "3000")
    assert_whole(ran.only)
    calls, in_handlers = map(int, ran.stdout.split())
    locks = ran.only.of(Kind.LOCK)
    assert np.count_nonzero(locks["start"] == 128) == in_handlers
    assert np.count_nonzero(locks["start"] != 128) == calls


def test_a_long_run_stays_within_a_small_address_space(
    actor: Path, library: Path, tmp_path: Path
) -> None:
    # 29 MB of records, of which only the newest chunks are mapped.
    command = f"ulimit -v 20000 && exec {actor} loop {tmp_path / 'a.db'} 300000"
    segment = run(["sh", "-c", command], library, tmp_path / "trace").segments[-1]
    assert len(segment.of(Kind.LOCK)) == 600_000
    assert_whole(segment)


def assert_blind_but_honest(segment: Recorded, calls: int) -> None:
    assert segment.header["blind_ns"] > segment.header["started_ns"]
    assert 0 < len(segment.of(Kind.LOCK)) < calls
    told = len(segment.of(Kind.LOCK, Kind.EXIT)) + int(segment.header["lost"])
    assert told in {calls + 1, calls + 2}  # the text of a path may be lost as well


def test_a_limit_on_file_sizes_kills_nobody(play: Play, tmp_path: Path) -> None:
    segment = play("limited", tmp_path / "a.db", "5000").only
    assert_blind_but_honest(segment, 10_000)


def test_a_process_without_a_descriptor_left_goes_on(play: Play, tmp_path: Path) -> None:
    segment = play("descriptors", "after", tmp_path / "a.db", "5000").only
    assert_blind_but_honest(segment, 10_002)


def test_a_segment_that_could_not_be_begun_in_time_says_so(play: Play, tmp_path: Path) -> None:
    segment = play("descriptors", "before", tmp_path / "a.db", "5000").only
    assert segment.records["kind"].tolist() == [Kind.PROCESS, Kind.EXIT]
    assert segment.header["lost"] == 10_000
    assert 0 < segment.header["blind_ns"] < segment.header["started_ns"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1200k", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("may not mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_hurts_nobody(
    actor: Path, library: Path, small_disk: Path, tmp_path: Path
) -> None:
    ran = run([actor, "loop", tmp_path / "a.db", "50000"], library, small_disk)
    segment = ran.only
    assert_blind_but_honest(segment, 100_000)
    assert len(segment.of(Kind.LOCK)) > CHUNK


def test_a_disk_that_is_full_from_the_start(
    actor: Path, library: Path, small_disk: Path, tmp_path: Path
) -> None:
    filler = os.open(small_disk / "filler", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(filler, bytes(4096)):
            pass
    os.close(filler)
    command = [str(actor), "loop", str(tmp_path / "a.db"), "1000"]
    done = subprocess.run(command, env=environment(library, small_disk), check=False)
    assert done.returncode == 0
