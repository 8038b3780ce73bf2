"""Locks of open file descriptions that parent and child share: nobody's alone, and not gone before
the last copy of the descriptor is.
"""

import pytest

from lockscope.analysis.holds import find_holds
from lockscope.interpret import interpret
from lockscope.trace.model import Trace
from notation import MS, trace_of

HELD = "0 P1 WR RESERVED ofd\n1 P1 fork P2\n"


def holds(trace: Trace) -> list[tuple[int, int, int]]:
    """(pid, began, ended) of each hold, in milliseconds."""
    source = interpret(trace)
    return [
        (
            source.processes[int(hold["process"])].pid,
            int(hold["began_ns"]) // MS,
            int(hold["ended_ns"]) // MS,
        )
        for hold in find_holds(source)
    ]


def gaps(trace: Trace) -> list[str]:
    return [gap.sentence for gap in interpret(trace).gaps]


@pytest.mark.parametrize("end", ["close", "exit", "killed", "exec"])
def test_a_lock_passes_to_the_child_that_gives_it_back(end: str) -> None:
    trace = trace_of(HELD + f"3 P1 {end}\n7 P2 UN RESERVED ofd")
    assert holds(trace) == [(100, 0, 3), (101, 3, 7)]
    assert gaps(trace) == []


def test_a_child_gives_back_what_its_parent_still_has_open() -> None:
    trace = trace_of(HELD + "4 P2 UN RESERVED ofd\n8 P1 close")
    assert holds(trace) == [(100, 0, 4)]
    assert gaps(trace) == []


def test_a_child_gives_back_what_its_parent_never_lets_go() -> None:
    assert holds(trace_of(HELD + "4 P2 UN RESERVED ofd\n9 P1 sleep")) == [(100, 0, 4)]


def test_an_unlock_by_the_parent_ends_it_for_all() -> None:
    trace = trace_of(HELD + "3 P1 UN RESERVED ofd\n9 P2 sleep")
    assert holds(trace) == [(100, 0, 3)]
    assert gaps(trace) == []


def test_a_child_that_may_have_kept_it_is_a_gap() -> None:
    trace = trace_of(HELD + "2 P1 fork P3\n3 P1 close\n9 P2 sleep")
    assert holds(trace) == [(100, 0, 3)]
    [gap] = interpret(trace).gaps
    assert (gap.pid, gap.began_ns) == (100, 3 * MS)
    assert gap.sentence.startswith(
        "pid 100 let go of a.db RESERVED at 0.003 s, but shares the open file description with "
        "pids 101, 102, which it had forked"
    )


def test_a_child_that_recorded_nothing_is_named_by_its_pid() -> None:
    trace = trace_of(HELD + "3 P1 close")
    alone = Trace(**{**vars(trace), "processes": trace.processes[:1]})
    [gap] = gaps(alone)
    assert "with pid 101, which" in gap


@pytest.mark.parametrize("end", ["exit", "exec"])
def test_a_child_that_is_gone_keeps_nothing(end: str) -> None:
    assert gaps(trace_of(HELD + f"2 P2 {end}\n3 P1 close")) == []


def test_a_child_with_a_lock_of_its_own_gives_back_its_own() -> None:
    story = "5 P2 WR RESERVED ofd\n6 P2 UN RESERVED ofd\n9 P1 sleep"
    trace = trace_of(HELD + "3 P1 UN RESERVED ofd\n" + story)
    assert holds(trace) == [(100, 0, 3), (101, 5, 6)]
    assert gaps(trace) == []


@pytest.mark.parametrize(
    "story",
    [
        "0 P1 WR RESERVED\n1 P1 fork P2\n2 P2 RD SHARED ofd\n3 P1 close",
        "0 P1 WR RESERVED ofd\n1 P1 UN RESERVED ofd\n2 P1 fork P2\n3 P1 close",
        "0 P1 fork P2\n2 P1 WR RESERVED ofd\n3 P1 close",
        "0 P1 WR RESERVED\n0 P3 RD WAL_DMS ofd\n1 P1 fork P2\n3 P1 close",
        "0 P1 WR RESERVED\n0 P1 RD SHARED ofd\n0.5 P1 WR SHARED\n1 P1 fork P2\n3 P1 close",
    ],
)
def test_what_is_not_shared_ends_with_its_holder(story: str) -> None:
    assert gaps(trace_of(story)) == []
