"""Traces that saw little, or went blind: no finding that the evidence does not carry."""

from dataclasses import replace

import pytest

from lockscope.analysis import Finding, analyse
from lockscope.analysis.causes import diagnose
from lockscope.analysis.causes.model import Answer
from lockscope.interpret import interpret
from lockscope.trace.model import Gap
from notation import MS, trace_of

WAITS = """
    0     P1 asks a.py:1 INSERT
    1     P1 WR RESERVED
    2     P1 returned
    9     P2 asks b.py:1 UPDATE
    10    P2 WR RESERVED denied
    10+40 P2 sleep
    50    P2 WR RESERVED denied
    51    P2 returned 5
    90    P2 exit
"""


@pytest.mark.parametrize(
    "story",
    ["", "0 P1 sleep", "0 P1 lost", "0 P1 RD SHARED\n1 P1 WR RESERVED\n2 P1 UN ALL\n3 P1 exit"],
)
def test_nothing_is_found_where_nothing_happened(story: str) -> None:
    analysis = analyse(interpret(trace_of(story)))
    assert analysis.findings == ()
    assert {verdict.answer for verdict in diagnose(analysis)} == {Answer.NO}


def test_a_lock_whose_release_may_be_lost_is_blamed_no_longer() -> None:
    [finding] = analyse(interpret(trace_of(WAITS + "95 P1 exit"))).findings
    assert finding.cause == "C03"
    blind = analyse(interpret(trace_of(WAITS + "9 P1 lost\n95 P1 exit")))
    assert blind.findings == ()


def test_one_process_of_a_trace_without_the_holder_gets_no_holder() -> None:
    alone = "\n".join(line for line in WAITS.splitlines() if "P1" not in line)
    assert analyse(interpret(trace_of(alone))).findings == ()


def with_gaps(*gaps: Gap) -> Finding:
    source = interpret(trace_of(WAITS + "95 P1 exit"))
    [finding] = analyse(replace(source, gaps=gaps)).findings
    return finding


def test_where_records_of_the_time_are_missing_the_confidence_says_so() -> None:
    assert with_gaps().confidence == "certain"
    for pid in (100, 101):
        finding = with_gaps(Gap(pid, 30 * MS, "it lost a record"), Gap(pid, 40 * MS, "another"))
        assert finding.confidence == "likely"
        assert finding.evidence[0]["missing"] == "it lost a record"
    assert with_gaps(Gap(100, 80 * MS, "later")).confidence == "certain"
    assert with_gaps(Gap(999, 0, "somebody else")).confidence == "certain"
    assert with_gaps(Gap(0, 0, "nobody's")).confidence == "certain"


def test_one_occurrence_that_is_complete_is_enough() -> None:
    again = "\n".join(line for line in WAITS.splitlines() if "P2" in line).replace("P2", "P3")
    source = interpret(trace_of(WAITS + again + "\n95 P1 exit"))
    [finding] = analyse(replace(source, gaps=(Gap(101, 0, "it lost a record"),))).findings
    assert (finding.count, finding.confidence) == (2, "certain")
