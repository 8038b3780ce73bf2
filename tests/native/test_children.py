import errno
import os
from collections import Counter
from pathlib import Path

import pytest
from recorded import Play, Recorded

from lockscope.trace.kinds import Kind

pytest_plugins = ["recorder_built"]

PENDING, RESERVED = 0x40000000, 0x40000001
WITH_ENVIRONMENT = ["execle", "execve", "execvpe", "fexecve", "execveat"]
WITHOUT = ["execl", "execlp", "execv", "execvp"]


def starts(segment: Recorded, kind: Kind) -> list[int]:
    return [int(record["start"]) for record in segment.of(kind)]


def test_a_process_begins_with_who_and_where_it_is(play: Play, actor: Path, tmp_path: Path) -> None:
    segment = play("loop", tmp_path / "a.db", "1").only
    (process,) = segment.of(Kind.PROCESS)
    assert process["start"] == os.getpid()
    assert segment.text(process["length"]) == f"{actor} loop {tmp_path / 'a.db'} 1"
    assert segment.text(process["file"]) == str(Path.cwd())
    assert segment.text(process["context"]) == str(actor)
    assert segment.records["kind"][0] == Kind.PROCESS
    assert segment.header["process_start"] > 0


def test_a_forked_child_has_a_segment_and_files_of_its_own(play: Play, tmp_path: Path) -> None:
    ran = play("fork", tmp_path / "a.db")
    child_pid = int(ran.stdout)
    parent, child = ran.segments
    assert starts(parent, Kind.FORK) == [child_pid]
    assert child.pid == child_pid
    assert starts(child, Kind.PROCESS) == [parent.pid]
    assert starts(child, Kind.LOCK) == [RESERVED]
    assert starts(parent, Kind.LOCK)[-1] == PENDING
    assert len(child.of(Kind.FILE)) == 1
    assert set(child.records["thread"].tolist()) == {child_pid}


def test_each_fork_is_told_by_the_thread_that_called_it(play: Play, tmp_path: Path) -> None:
    ran = play("fork-threads", tmp_path / "a.db")
    told = {tuple(map(int, line.split())) for line in ran.stdout.splitlines()}
    parent = ran.segments[0]
    assert {(int(r["thread"]), int(r["start"])) for r in parent.of(Kind.FORK)} == told
    assert {segment.pid for segment in ran.segments[1:]} == {child for _, child in told}
    assert all(len(segment.of(Kind.LOCK)) == 1 for segment in ran.segments[1:])
    assert len(parent.of(Kind.LOCK)) == 2 + 2 * 2 * 20_000
    assert parent.header["lost"] == 0


def test_a_fork_behind_the_c_library_is_noticed(play: Play, tmp_path: Path) -> None:
    ran = play("bare-fork", tmp_path / "a.db")
    bare, quick = map(int, ran.stdout.split())
    parent = ran.segments[0]
    assert starts(ran.process(bare)[0], Kind.LOCK) == [RESERVED]
    assert starts(ran.process(quick)[0], Kind.LOCK) == [RESERVED]
    assert starts(parent, Kind.FORK) == [quick]
    assert len(parent.of(Kind.LOCK)) == 3
    assert len(parent.of(Kind.EXIT)) == 1


def test_a_fork_in_a_signal_handler_breaks_no_record(play: Play, tmp_path: Path) -> None:
    ran = play("handler-fork", tmp_path / "a.db", tmp_path / "a.db-shm", "100")
    parent, *children = ran.segments
    assert len(children) == int(ran.stdout) == len(parent.of(Kind.FORK))
    assert len(parent.records) == parent.header["next"]


def test_generations_of_daemons(play: Play, tmp_path: Path) -> None:
    ran = play("fork-loop", tmp_path / "a.db", "30")
    assert len(ran.segments) == 30
    assert all(len(segment.of(Kind.CLOSE)) == 1 for segment in ran.segments)
    pids = [segment.pid for segment in ran.segments]
    assert [starts(segment, Kind.PROCESS) for segment in ran.segments[1:]] == [
        [pid] for pid in pids[:-1]
    ]


@pytest.mark.parametrize("program", ["/nonexistent/program", "/bin/true"])
def test_a_vfork_child_leaves_no_mark_on_its_parent(
    play: Play, tmp_path: Path, program: str
) -> None:
    parent = play("vfork", tmp_path / "a.db", program).segments[0]
    assert len(parent.of(Kind.CLOSE, Kind.EXEC)) == 0
    assert starts(parent, Kind.LOCK)[-1] == RESERVED
    assert len(parent.of(Kind.EXIT)) == 1


def test_a_vfork_child_may_become_a_traced_program(play: Play, actor: Path, tmp_path: Path) -> None:
    ran = play("vfork", tmp_path / "a.db", actor, "loop", tmp_path / "b.db", "5")
    assert len(ran.segments) == 2
    assert len(ran.segments[1].of(Kind.LOCK)) == 10


@pytest.mark.parametrize("way", WITH_ENVIRONMENT + WITHOUT)
def test_exec_carries_the_recorder_over(
    play: Play, actor: Path, library: Path, tmp_path: Path, way: str
) -> None:
    database = tmp_path / "a.db"
    ran = play("exec", way, actor, "environment", database, LOCKSCOPE_LITERALS="1")
    before, after = ran.segments
    assert before.pid == after.pid
    (departure,) = before.of(Kind.EXEC)
    assert before.text(departure["length"]) == str(actor)
    assert after.text(after.of(Kind.PROCESS)[0]["length"]) == f"actor environment {database}"
    variables = dict(line.split("=", 1) for line in ran.stdout.splitlines())
    assert variables["LD_PRELOAD"] == str(library)
    assert variables["LOCKSCOPE_TRACE"] == str(tmp_path / "trace")
    assert variables["LOCKSCOPE_LITERALS"] == "1"
    assert variables.get("FRESH") == ("1" if way in WITH_ENVIRONMENT else None)
    assert Counter(line.split("=")[0] for line in ran.stdout.splitlines()).most_common(1)[0][1] == 1


def test_what_else_is_preloaded_stays(
    play: Play, library: Path, actor: Path, tmp_path: Path
) -> None:
    other = "/lib/x86_64-linux-gnu/libm.so.6"
    if not Path(other).exists():
        pytest.skip("no such library to preload")
    words = ("exec", "execve", actor, "environment", tmp_path / "a.db")
    ran = play(*words, LD_PRELOAD=f"{other}:{library}")
    assert f"LD_PRELOAD={library}\n" in ran.stdout
    assert len(ran.segments) == 2


def test_an_exec_that_fails_is_told_with_its_errno(play: Play, tmp_path: Path) -> None:
    segment = play("failed-exec", tmp_path / "a.db").only
    assert [int(r["error"]) for r in segment.of(Kind.EXEC)] == [0, errno.ENOENT]
    assert len({int(r["length"]) for r in segment.of(Kind.EXEC)}) == 1
    assert starts(segment, Kind.LOCK)[-1] == RESERVED


def test_spawned_programs_are_recorded(play: Play, actor: Path, tmp_path: Path) -> None:
    ran = play("spawn", actor, "environment", tmp_path / "a.db")
    pids = [int(word) for word in ran.stderr.split()]
    parent, *children = ran.segments
    assert starts(parent, Kind.FORK) == pids == [child.pid for child in children]
    assert [starts(child, Kind.PROCESS) for child in children] == [[parent.pid]] * 2
    assert ran.stdout.count("LOCKSCOPE_TRACE=") == ran.stdout.count("FRESH=1") == 2


@pytest.mark.parametrize("way", ["exit", "_exit", "_Exit", "return"])
def test_every_end_tells_its_status_and_what_was_written(
    play: Play, tmp_path: Path, way: str
) -> None:
    segment = play("exit", tmp_path / "a.db", way, "42", status=42).only
    assert starts(segment, Kind.EXIT) == [42]
    assert [int(r["length"]) for r in segment.of(Kind.WRITES)] == [1]
    assert segment.records["kind"][-1] == Kind.EXIT
