"""Each victim's story: what failed, what it waited for, who held it and did what meanwhile."""

from typing import Any

import pytest

from lockscope.analysis import analyse
from lockscope.interpret import interpret
from notation import trace_of

HOLDER = """
    0     P1 asks a.py:1 INSERT
    1     P1 WR RESERVED
    2     P1 returned
    3     P1 asks a.py:2 SELECT
    8     P1 returned
    9+4   P1 sleep
    14+2  P1 sync
"""
VICTIM = """
    10    P2 asks b.py:1 UPDATE
    10.1  P2 WR RESERVED denied
    10+40 P2 sleep
    50    P2 WR RESERVED denied
    50.2  P2 returned 5
    90    P2 exit
"""
GIVES_BACK = "94 P1 asks a.py:9 COMMIT\n95 P1 UN ALL\n96 P1 returned\n97 P1 exit"


def chain(story: str) -> list[dict[str, Any]]:
    [finding] = analyse(interpret(trace_of(story))).findings
    steps: list[dict[str, Any]] = finding.evidence[0]["chain"]  # type: ignore[assignment]
    return steps


def words(story: str) -> list[str]:
    return [step["what"] for step in chain(story)]


def test_a_story_leads_from_what_failed_to_what_gave_the_lock_back() -> None:
    steps = chain(HOLDER + VICTIM + GIVES_BACK)
    told = [(step["what"], step["pid"], step.get("source")) for step in steps]
    assert told == [
        ("asked", 101, "b.py:1"),
        ("waited", 101, None),
        ("took", 100, "a.py:1"),
        ("ran", 100, "a.py:2"),
        ("ran", 100, "a.py:1"),
        ("ran", 100, "a.py:9"),
        ("synced", 100, None),
        ("slept", 100, None),
        ("nothing", 100, None),
        ("released", 100, "a.py:9"),
    ]
    asked, waited, took, ran, *_, synced, slept, nothing, released = steps
    assert (asked["code"], waited["count"], waited["ended"]) == (5, 2, "timed-out")
    assert took["seconds"] == pytest.approx(0.094)
    assert (ran["seconds"], ran["count"]) == (pytest.approx(0.005), 1)
    assert synced["seconds"] == pytest.approx(0.002)
    assert slept["seconds"] == pytest.approx(0.004)
    assert nothing["seconds"] == pytest.approx(0.094 - 0.001 - 0.005 - 0.004 - 0.001)
    assert (released["at_s"], released["ended"]) == (pytest.approx(0.095), "unlock")


def test_a_lock_that_went_with_its_process_was_left() -> None:
    left = chain(HOLDER + VICTIM + "95 P1 exit")[-1]
    assert (left["what"], left["ended"], left.get("source")) == ("left", "exit", None)


def test_a_lock_given_back_by_nothing_that_is_recorded_has_no_line() -> None:
    released = chain(HOLDER + VICTIM + "95 P1 UN ALL\n96 P1 exit")[-1]
    assert (released["what"], released.get("statement")) == ("released", None)


def test_a_holder_that_worked_all_the_time_did_not_do_nothing() -> None:
    busy = "0 P1 asks a.py:1 VACUUM\n1 P1 WR RESERVED" + VICTIM + "95 P1 UN ALL\n96 P1 returned"
    assert words(busy + "\n97 P1 exit") == ["asked", "waited", "took", "ran", "released"]


def test_a_victim_of_nobody_has_a_short_story() -> None:
    refused = "1 P1 asks a.py:1 SELECT\n2 P1 WR RESERVED denied\n3 P1 returned 5\n4 P1 exit"
    assert words(refused) == ["asked", "waited"]
    assert words("1 P1 asks a.py:1 DROP\n2 P1 returned 6\n3 P1 exit") == ["asked"]


def test_a_holder_that_waits_for_somebody_else_is_told_with_the_root() -> None:
    writer = "0 P1 WR RESERVED\n0.5 P1 WR PENDING\n1 P1 WR SHARED denied\n1+90 P1 sleep"
    reads = "0 P3 RD SHARED\n"
    tries = "\n91 P1 WR SHARED denied\n93 P1 UN ALL\n95 P1 exit\n95 P3 exit"
    analysis = analyse(interpret(trace_of(reads + writer + VICTIM + tries)))
    chains: list[Any] = [one["chain"] for found in analysis.findings for one in found.evidence]
    [behind] = [step for steps in chains for step in steps if step["what"] == "behind"]
    assert behind["pid"] == 100


def test_in_one_process_the_waiting_thread_is_no_holder() -> None:
    story = "0 P1 WR RESERVED\n1 P1 asks a.py:1 SELECT\n2 P1 returned 5\n9 P1 UN ALL\n9 P1 exit"
    assert words(story) == ["asked", "waited", "took", "nothing", "released"]


def test_the_rest_of_many_victims_is_counted() -> None:
    many = "\n".join(
        f"{at} P2 asks b.py:1 UPDATE\n{at}.1 P2 WR RESERVED denied\n{at}.2 P2 returned 5"
        for at in range(1, 121)
    )
    story = f"0 P1 WR RESERVED\n{many}\n130 P1 UN ALL\n131 P1 exit\n131 P2 exit"
    [finding] = analyse(interpret(trace_of(story))).findings
    assert (finding.count, len(finding.evidence)) == (120, 100)
