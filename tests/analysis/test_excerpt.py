"""An excerpt holds what happened to some processes in a span of time, and nothing else."""

from dataclasses import replace

import pytest

from lockscope.analysis import Analysis, analyse
from lockscope.analysis.excerpt import Span, excerpt, family, own_part
from lockscope.analysis.gates import Gates, check_gates
from lockscope.interpret import interpret
from lockscope.trace.model import Gap, Process
from notation import MS, trace_of

TWO_REFUSALS = """
    0   P1 WR RESERVED
    10  P2 asks app.py:7 INSERT
    10  P2 WR RESERVED denied
    11  P2 returned 5
    50  P3 asks app.py:9 INSERT
    50  P3 WR RESERVED denied
    51  P3 returned 5
    500 P1 UN ALL
    501 P2 exit
"""
DEADLOCK = """
    0    P1 WR RESERVED
    0    P2 WR WAL_WRITE
    1    P1 WR WAL_WRITE denied
    1+40 P1 sleep
    2    P2 WR RESERVED denied
    2+40 P2 sleep
    43   P1 exit
    43   P2 exit
"""
P1, P2, P3 = 100, 101, 102


def analysed(story: str) -> Analysis:
    return analyse(interpret(trace_of(story)))


def part(story: str, began_ms: int, ended_ms: int, *pids: int) -> Analysis:
    return excerpt(analysed(story), Span(began_ms * MS, ended_ms * MS), pids)


def test_another_test_is_none_of_it() -> None:
    whole = analysed(TWO_REFUSALS)
    assert [finding.count for finding in whole.findings] == [2]
    second = part(TWO_REFUSALS, 40, 60, P3)
    assert [(finding.cause, finding.count) for finding in second.findings] == [("C01", 1)]
    assert "app.py:9" in second.findings[0].sentence
    assert len(second.waits) == len(second.source.statements) == 1
    [blocker] = second.blockers(0)
    assert blocker.pid == P1
    assert not part(TWO_REFUSALS, 40, 60, P2).has_findings
    assert not part(TWO_REFUSALS, 100, 200, P2, P3).has_findings


def test_a_holder_is_told_whom_it_kept_out() -> None:
    [finding] = part(TWO_REFUSALS, 0, 20, P1).findings
    assert (finding.cause, finding.count) == ("C01", 1)


def test_a_deadlock_is_whole_although_half_of_it_is_somebody_elses() -> None:
    found = part(DEADLOCK, 0, 100, P2)
    [deadlock] = found.deadlocks
    assert len(found.waits) == 2
    assert set(deadlock.waits) == {0, 1}
    assert {edge.wait for edge in found.edges} == {0, 1}
    assert not part(DEADLOCK, 50, 100, P2).deadlocks
    assert not part(DEADLOCK, 0, 100, P3).edges


@pytest.mark.parametrize(
    ("pid", "since_ms", "span", "held_s"),
    [
        (P1, 0, (0, 1000), ["0.5"]),
        (P1, 0, (100, 300), ["0.2"]),
        (P1, 1, (100, 300), []),
        (P2, 0, (0, 1000), []),
        (P1, 0, (600, 1000), []),
    ],
)
def test_a_hold_counts_for_who_took_it_as_far_as_it_lasted_in_the_span(
    pid: int, since_ms: int, span: tuple[int, int], held_s: list[str]
) -> None:
    when = Span(span[0] * MS, span[1] * MS)
    own = own_part(part(TWO_REFUSALS, *span, pid), when, since_ms * MS, [pid])
    [result] = check_gates(own, Gates(max_hold_s=0.001))
    assert [sentence.split(" for ")[1].split(" s")[0] for sentence in result.broken] == held_s
    assert not len(own.blocks)
    assert not own.edges


def test_a_gap_stays_unless_it_is_known_to_be_anothers() -> None:
    trace = trace_of(TWO_REFUSALS)
    gaps = tuple(
        Gap(pid, at_ms * MS, name)
        for pid, at_ms, name in (
            (P2, 0, "own"),
            (P1, 0, "another's"),
            (0, 0, "nobody's"),
            (7, 0, "a stranger's"),
            (P2, 90, "later"),
        )
    )
    analysis = analyse(interpret(replace(trace, gaps=gaps)))
    kept = excerpt(analysis, Span(0, 20 * MS), [P2]).source.gaps
    assert {"own", "nobody's", "a stranger's"} == {gap.sentence for gap in kept}


def test_a_family_is_all_that_descend() -> None:
    processes = (
        Process(1),
        Process(3, parent=2),
        Process(2, parent=1),
        Process(4),
        Process(5, parent=1, watched=False),
        Process(6, parent=1, recorded=False),
    )
    assert family(processes, 1) == {1, 2, 3}
    assert family(processes, 9) == {9}
    assert family(processes, None) == {1, 2, 3, 4}
