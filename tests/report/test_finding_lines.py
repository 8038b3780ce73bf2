"""What the terminal tells of a finding: the most useful facts, and all of it on request."""

from dataclasses import replace

from lockscope.analysis import Finding, analyse
from lockscope.interpret import interpret
from lockscope.report.findings import finding_lines
from notation import trace_of

STORY = """
    0     P1 asks /app/a.py:3 INSERT INTO t VALUES (?)
    0.1   P1 WR RESERVED
    0.2   P1 returned
    1     P2 asks /app/b.py:9 UPDATE t SET x = [bold]
    1.1   P2 WR RESERVED denied
    1.2+9 P2 sleep
    10.3  P2 WR RESERVED denied
    10.4  P2 returned 5
    30    P2 exit
"""


def finding_of(story: str) -> Finding:
    [finding] = analyse(interpret(trace_of(story))).findings
    return finding


def told(finding: Finding, *, everything: bool = False) -> list[str]:
    return list(finding_lines([finding], "/app", everything=everything))


def test_the_three_most_useful_facts_come_first() -> None:
    finding = finding_of(STORY + "19 P1 asks /app/a.py:9 COMMIT\n20 P1 UN ALL\n21 P1 returned")
    facts = [line for line in told(finding) if line.startswith("  - ")]
    assert facts == [
        "  - 100 took a.db RESERVED at a.py:3 (INSERT INTO t VALUES (?)) and held it for 19.9 ms",
        "  - meanwhile it ran statements for 1.1 ms, did nothing that is recorded for 18.8 ms",
        "  - it gave the lock back at a.py:9 (COMMIT), by unlock",
    ]


def test_a_lock_that_nobody_gave_back_is_called_so() -> None:
    lines = told(finding_of(STORY + "20 P1 exit"))
    assert "  - it never ended its transaction: the lock went with its exit" in lines


def test_what_is_so_only_of_this_cause_comes_before_the_hold() -> None:
    lines = told(finding_of("0 P1 RD SHARED\n0.1 P1 WR RESERVED\n1 P1 close\n9 P1 exit"))
    assert "  - violations: 0" in lines


def test_on_request_every_occurrence_is_told_step_by_step() -> None:
    finding = finding_of(STORY + "20 P1 UN ALL")
    lines = told(finding, everything=True)
    [asked] = [line for line in lines if " asked " in line]
    assert asked.endswith("101 asked for 9.3 ms with code 5 at b.py:9 (UPDATE t SET x = \\[bold])")
    assert any(
        "101 waited for a.db RESERVED for 9.2 ms 2 times (timed-out)" in line for line in lines
    )
    assert any("     - held idle at the end: 19" in line for line in lines)
    more = told(replace(finding, count=7), everything=True)
    assert "  and 6 more" in more
