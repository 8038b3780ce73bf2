"""Gates: what a trace may not show."""

import pytest

from lockscope.analysis import analyse
from lockscope.analysis.gates import KINDS, Gates, check_gates
from lockscope.interpret import interpret
from lockscope.trace.model import Gap
from notation import trace_of

REFUSED = """
    0   P1 WR RESERVED
    10  P2 asks app.py:7 INSERT
    10  P2 WR RESERVED denied
    11  P2 returned 5
    500 P1 UN ALL
    501 P2 exit
"""
QUIET = "0 P1 asks app.py:7 INSERT\n0 P1 WR RESERVED\n1 P1 UN ALL\n2 P1 returned\n3 P1 exit"
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


def broken(story: str, gates: Gates) -> dict[str, str]:
    results = check_gates(analyse(interpret(trace_of(story))), gates)
    return {result.gate: " ".join(result.broken) for result in results}


def test_a_refused_write_breaks_what_is_about_it() -> None:
    told = broken(REFUSED, Gates(("failed", "finding", "C01", "C12", "deadlock", "unsafe", "gap")))
    assert {gate for gate, why in told.items() if why} == {"failed", "finding", "C01"}
    assert told["failed"] == "Waits that ended in vain: 1; statements that failed for a lock: 1."
    assert told["C01"].startswith("C01 no busy timeout: ")


def test_a_quiet_trace_passes_every_gate() -> None:
    told = broken(QUIET, Gates(tuple(kind for kind, _ in KINDS), 1.0, 1.0))
    assert set(told.values()) == {""}
    assert len(told) == len(KINDS) + 2


def test_the_longest_hold_is_named() -> None:
    told = broken(REFUSED, Gates(max_hold_s=0.2))
    assert told == {
        "max-hold 0.2 s": "Process 100 held a.db RESERVED for 0.5 s, and 1 hold in all lasted "
        "longer than 0.2 s."
    }
    assert "at app.py:7" in broken(QUIET, Gates(max_hold_s=0.0001))["max-hold 0.0001 s"]


def test_the_longest_wait_is_named() -> None:
    why = broken(DEADLOCK, Gates(("deadlock",), max_wait_s=0.01))
    assert "waited for each other" in why["deadlock"]
    assert "waited for" in why["max-wait 0.01 s"]
    assert "2 waits in all" in why["max-wait 0.01 s"]


def test_a_gap_breaks_the_gate_that_asks_for_none() -> None:
    trace = trace_of(QUIET)
    blind = trace.__class__(
        **{**trace.__dict__, "gaps": (Gap(100, 5, "Process 100 was not recorded."),)}
    )
    [result] = check_gates(analyse(interpret(blind)), Gates(("gap",)))
    assert result.broken == ("Process 100 was not recorded.",)


@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS])
def test_each_kind_is_a_gate(kind: str) -> None:
    assert list(broken(QUIET, Gates((kind,)))) == [kind]
