"""Programs that begin as root and go on as somebody who cannot reach the trace's folder."""

import os
import sys
from pathlib import Path

import pytest
from recorded import run

from lockscope.trace.kinds import Kind

pytest_plugins = ["recorder_built"]

NOBODY = 65_534

needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can become somebody else"
)


@needs_root
@pytest.mark.parametrize("way", ["setuid", "seteuid", "setreuid", "setresuid"])
def test_what_follows_a_change_of_user_is_recorded(
    actor: Path, library: Path, tmp_path: Path, way: str
) -> None:
    trace = tmp_path / "trace"
    trace.mkdir(mode=0o700)
    database = tmp_path / "a.db"
    segment = run([actor, "become", way, str(NOBODY), database, "10000"], library, trace).only
    assert segment.header["lost"] == 0
    assert len(segment.of(Kind.LOCK)) == 20_000
    # The path is a text that was kept after the change.
    assert segment.file("a.db") == 1


@needs_root
def test_where_the_room_ahead_ends_the_trace_is_blind_and_says_so(
    actor: Path, library: Path, tmp_path: Path
) -> None:
    # Other users may not even search the folders above, which are the test's own.
    trace = tmp_path / "trace"
    trace.mkdir(mode=0o700)
    database = tmp_path / "a.db"
    segment = run([actor, "become", "setuid", str(NOBODY), database, "50000"], library, trace).only
    kept = len(segment.of(Kind.LOCK))
    assert 65_000 < kept < 100_000
    assert segment.header["blind_ns"] > segment.header["started_ns"]
    assert kept + int(segment.header["lost"]) >= 100_000


@needs_root
def test_room_is_mapped_ahead_once_only(actor: Path, library: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.mkdir(mode=0o700)
    segment = run([actor, "to-and-fro", str(NOBODY), tmp_path / "a.db", "50"], library, trace).only
    assert segment.header["lost"] == 0
    assert segment.path.stat().st_size < 4_000_000
