import subprocess
from pathlib import Path

import pytest
from recorded import Play, Recorded

from lockscope.trace.kinds import Kind

pytest_plugins = ["recorder_built"]


def totals(segment: Recorded, name: str) -> list[tuple[int, int]]:
    """(calls, bytes) of each WRITES record of a file."""
    number = segment.file(name)
    writes = segment.of(Kind.WRITES)
    return [(int(r["start"]), int(r["length"])) for r in writes if r["file"] == number]


def test_writes_are_added_up_until_the_next_lock_change(play: Play, tmp_path: Path) -> None:
    segment = play("writes", tmp_path).only
    assert totals(segment, "/a.db") == [(8, 1 + 2 + 3 + 5 + 5 + 5)]
    assert totals(segment, "/a.db-journal") == [(1, 7)]
    assert totals(segment, "/a.db-wal") == [(2, 5), (1, 10)]
    assert len(segment.of(Kind.FILE)) == 3
    kinds = segment.records["kind"].tolist()
    last_lock = len(kinds) - 1 - kinds[::-1].index(Kind.LOCK)
    assert kinds[last_lock - 3 : last_lock] == [Kind.WRITES] * 3
    for record in segment.of(Kind.WRITES):
        assert 0 < record["began_ns"] < segment.records["began_ns"].max()


def test_syncs_of_a_database_and_its_companions(play: Play, tmp_path: Path) -> None:
    segment = play("writes", tmp_path).only
    syncs = [(int(r["file"]), int(r["mode"]), int(r["error"])) for r in segment.of(Kind.SYNC)]
    assert syncs == [(segment.file("/a.db"), 0, 0), (segment.file("/a.db-journal"), 1, 0)]


def test_a_number_that_another_file_takes_over_is_another_file(play: Play, tmp_path: Path) -> None:
    segment = play("reuse", tmp_path).only
    assert totals(segment, "/a.db") == totals(segment, "/b.db") == []
    main, second = segment.file("/a.db"), segment.file("/b.db")
    closed = [int(r["file"]) for r in segment.of(Kind.CLOSE)]
    assert closed == [main, second]
    locked = [int(r["file"]) for r in segment.of(Kind.LOCK)]
    keep = segment.file("/keep.db")
    assert locked == [keep, keep, main, main, second, second, main, main, main]


def test_every_way_to_close_a_descriptor_is_seen(play: Play, tmp_path: Path) -> None:
    ran = play("closes", tmp_path / "a.db")
    closed = [int(line.split()[1]) for line in ran.stdout.splitlines()]
    closes = ran.only.of(Kind.CLOSE)
    assert [int(r["start"]) for r in closes] == closed
    assert {int(r["file"]) for r in closes} == {ran.only.file("/a.db")}
    assert {int(r["error"]) for r in closes} == {0}


def test_sleeps_of_threads_that_lock(play: Play, tmp_path: Path) -> None:
    sleeps = play("sleeps", tmp_path / "a.db").only.of(Kind.SLEEP)
    assert [int(r["start"]) for r in sleeps] == [2_000, 3_000, 0, 3_000, 0]
    assert all(r["duration_ns"] >= r["start"] for r in sleeps)


def test_a_program_without_a_database_leaves_nothing(play: Play, tmp_path: Path) -> None:
    ran = play("plain", tmp_path)
    assert ran.stdout == "plain\n"
    assert list((tmp_path / "trace").iterdir()) == []


def test_results_and_errno_are_those_of_the_real_calls(
    play: Play, actor: Path, tmp_path: Path
) -> None:
    untraced = subprocess.run(
        [actor, "errno", tmp_path / "a.db"], capture_output=True, text=True, check=True
    )
    traced = play("errno", tmp_path / "b.db")
    assert traced.stdout == untraced.stdout
    assert traced.stdout.count("\n") == 142
    assert len(traced.only.of(Kind.LOCK)) > 0


@pytest.mark.parametrize("trace", [None, "", "relative", "/nonexistent/folder", "/dev/null"])
def test_without_a_usable_folder_nothing_changes(
    actor: Path, library: Path, tmp_path: Path, trace: str | None
) -> None:
    variables = {"LD_PRELOAD": str(library)}
    if trace is not None:
        variables["LOCKSCOPE_TRACE"] = trace
    done = subprocess.run(
        [actor, "fork", tmp_path / "a.db"], env=variables, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]


def test_more_databases_than_there_are_places_for(play: Play, tmp_path: Path) -> None:
    segment = play("many", tmp_path, "5000").only
    assert len(segment.of(Kind.FILE)) == len(segment.of(Kind.CLOSE)) == 5000
    assert len(set(segment.of(Kind.LOCK)["file"].tolist())) == 5000
    assert segment.header["lost"] == 0
