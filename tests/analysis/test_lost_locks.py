"""Locks that a process lost by closing a descriptor."""

from lockscope.analysis import Analysis, analyse
from lockscope.analysis.losses import Loss, find_losses
from lockscope.interpret import interpret
from lockscope.trace.kinds import ANOTHER, Kind
from lockscope.trace.model import Trace
from notation import MS, trace_of


def told(trace: Trace, *, another: bool) -> Analysis:
    trace.records["mode"][trace.records["kind"] == Kind.CLOSE] = ANOTHER if another else 0
    return analyse(interpret(trace))


def test_locks_that_are_held_when_another_descriptor_is_closed_are_lost() -> None:
    story = "0 P1 asks a.py:1 BEGIN\n0 P1 RD SHARED\n0 P1 WR RESERVED\n1 P1 returned\n3 P1 close"
    analysis = told(trace_of(story), another=True)
    [loss] = find_losses(analysis)
    assert set(loss.resources) == {"a.db RESERVED", "a.db SHARED"}
    assert loss == Loss(100, 3 * MS, "/a.db", loss.resources, None, None, "BEGIN", "a.py:1")
    [finding] = analysis.findings
    assert (finding.cause, finding.count) == ("C31", 1)


def test_several_losses_are_one_finding() -> None:
    story = "0 P1 WR RESERVED\n1 P1 close\n2 P1 WR RESERVED\n3 P1 close"
    [finding] = told(trace_of(story), another=True).findings
    assert finding.count == 2
    assert "2 times" in finding.sentence


def test_the_place_in_the_code_is_told_where_it_is_known() -> None:
    trace = trace_of("0 P1 WR RESERVED\n1 P1 close")
    trace.records["length"][-1] = 1
    named = Trace(**{**vars(trace), "texts": ("", "/bin/app+0x12")})
    [finding] = told(named, another=True).findings
    assert "/bin/app+0x12" in finding.sentence


def test_the_line_of_python_says_more_than_the_place() -> None:
    story = "0 P1 WR RESERVED\n1 P1 asks a.py:7\n2 P1 close"
    [finding] = told(trace_of(story), another=True).findings
    assert "closing another descriptor of the file, at a.py:7" in finding.sentence
    assert finding.evidence[0]["closed_at_line"] == "a.py:7"


def test_a_database_that_is_closed_in_order_loses_nothing() -> None:
    story = "0 P1 RD SHARED\n1 P1 UN ALL\n2 P1 close"
    assert find_losses(told(trace_of(story), another=False)) == ()


def test_the_mark_of_an_attached_process_goes_with_its_own_descriptor() -> None:
    story = "0 P1 RD WAL_DMS\n2 P1 close-shm"
    assert find_losses(told(trace_of(story), another=False)) == ()
    assert len(find_losses(told(trace_of(story), another=True))) == 1


def test_a_hold_that_ends_with_its_own_descriptor_was_lost_all_the_same() -> None:
    assert len(find_losses(told(trace_of("0 P1 WR RESERVED\n1 P1 close"), another=False))) == 1
