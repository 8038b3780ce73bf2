"""Waits inside one process, where the kernel is never asked."""

import numpy as np
import pytest

from lockscope.analysis import Analysis, WaitEnd, analyse
from lockscope.interpret import interpret
from lockscope.trace.kinds import Kind
from lockscope.trace.model import Trace
from notation import MS, trace_of

SECOND = 999
"""The thread of the second connection; the notation gives each process one."""


def second_thread(trace: Trace, after_ms: float) -> Trace:
    """The same, where what begins after a moment is done by a second thread."""
    records = trace.records
    late = records["began_ns"] > after_ms * MS
    records["thread"][late] = SECOND
    told = records["kind"] == Kind.STATEMENT
    records["start"][told] = records["thread"][told]
    return trace


def analysed(story: str, after_ms: float = 1) -> Analysis:
    return analyse(interpret(second_thread(trace_of(story), after_ms)))


def told(analysis: Analysis) -> list[tuple[str, str, int, list[int]]]:
    """(end, resource, milliseconds, pids in the way) of each wait inside a process."""
    source = analysis.source
    return [
        (
            WaitEnd(int(row["end"])).title,
            source.resources[int(row["resource"])].title,
            round(int(row["ended_ns"] - row["began_ns"]) / MS),
            [blocker.pid for blocker in analysis.blockers(at)],
        )
        for at, row in enumerate(analysis.waits)
        if row["inside"]
    ]


HOLDER = "0 P1 asks a.py:1 BEGIN IMMEDIATE\n0 P1 WR RESERVED\n1 P1 returned 0\n"
SLEEPS = "3+1 P1 sleep\n4+2 P1 sleep\n6+5 P1 sleep\n"


@pytest.mark.parametrize("code", [5, 6])
def test_a_statement_that_is_refused_though_no_lock_was_denied(code: int) -> None:
    story = HOLDER + f"2 P1 asks a.py:9 INSERT\n3 P1 returned {code}\n9 P1 UN ALL"
    analysis = analysed(story)
    assert told(analysis) == [("refused", "a.db RESERVED", 1, [100])]
    [blocker] = analysis.blockers(0)
    assert (blocker.statement, blocker.source) == ("BEGIN IMMEDIATE", "a.py:1")


def test_a_statement_that_slept_and_gave_up() -> None:
    story = HOLDER + "2 P1 asks a.py:9 INSERT\n" + SLEEPS + "12 P1 returned 5\n20 P1 UN ALL"
    analysis = analysed(story)
    assert told(analysis) == [("timed-out", "a.db RESERVED", 9, [100])]
    assert analysis.waits["slept_ns"].tolist() == [8 * MS]
    assert analysis.waits["attempts"].tolist() == [4]
    assert not analysis.deadlocks


def test_a_statement_that_slept_and_went_on() -> None:
    story = HOLDER + "2 P1 asks a.py:9 INSERT\n" + SLEEPS
    story += "10 P1 UN ALL\n11 P1 WR RESERVED\n12 P1 returned 0\n20 P1 UN ALL"
    assert told(analysed(story)) == [("granted", "a.db RESERVED", 8, [100])]


def test_two_waits_of_one_statement() -> None:
    story = HOLDER + "2 P1 asks a.py:9 script\n" + SLEEPS + "12+1 P1 sleep\n13+2 P1 sleep\n"
    story += "16 P1 returned 5\n20 P1 UN ALL"
    ends = [end for end, *_ in told(analysed(story))]
    assert ends == ["granted", "timed-out"]


def test_the_lock_of_the_waiting_connection_itself_is_in_nobody_s_way() -> None:
    """A COMMIT that waits for a reader holds RESERVED itself."""
    story = "0 P1 RD SHARED\n2 P1 asks a.py:1 BEGIN\n2 P1 WR RESERVED\n3 P1 returned 0\n"
    story += "4 P1 asks a.py:2 COMMIT\n5 P1 returned 5\n9 P1 UN ALL"
    assert told(analysed(story)) == [("refused", "a.db SHARED", 1, [100])]


@pytest.mark.parametrize(
    ("held", "wanted"), [("WAL_DMS", "a.db WAL WRITE"), ("RESERVED", "a.db RESERVED")]
)
def test_what_nobody_is_seen_to_hold_is_said_without_a_blocker(held: str, wanted: str) -> None:
    story = f"0 P1 RD {held}\n1 P1 UN {held}\n2 P1 asks a.py:9 INSERT\n3 P1 returned 6"
    assert told(analysed(story)) == [("refused", wanted, 1, [])]


def test_a_process_that_never_held_anything_waits_for_nothing_known() -> None:
    story = "0 P2 WR RESERVED\n2 P1 asks a.py:9 INSERT\n3 P1 returned 6\n9 P2 UN ALL"
    assert told(analysed(story)) == []


@pytest.mark.parametrize(
    ("after", "end"), [("12 P1 UN ALL", "timed-out"), ("11.5 P1 WR PENDING", "granted")]
)
def test_sleeps_alone_give_a_wait_away(after: str, end: str) -> None:
    story = "0 P1 WR RESERVED\n" + SLEEPS + after
    assert told(analysed(story)) == [(end, "a.db RESERVED", 8, [100])]


@pytest.mark.parametrize(
    "sleeps",
    ["3+1 P1 sleep", "3+1 P1 sleep\n4+3 P1 sleep\n7+3 P1 sleep", "3+7 P1 sleep\n10+7 P1 sleep"],
)
def test_a_program_s_own_sleeps_are_no_waits(sleeps: str) -> None:
    assert told(analysed("0 P1 WR RESERVED\n" + sleeps + "\n20 P1 UN ALL")) == []


def test_a_denied_lock_call_is_a_wait_of_the_other_kind() -> None:
    story = "0 P1 WR RESERVED\n1 P2 asks b.py:1 INSERT\n1 P2 WR RESERVED denied\n1+1 P2 sleep\n"
    story += "2+2 P2 sleep\n4 P2 WR RESERVED denied\n5 P2 returned 5\n9 P1 UN ALL"
    analysis = analyse(interpret(trace_of(story)))
    assert analysis.waits["inside"].tolist() == [0]
    assert np.array_equal(analysis.blocks["wait"], [0])
