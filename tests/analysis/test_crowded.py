"""A slow disk, a saturated database, an unfair queue and a sleeper, told apart as stories."""

import pytest

from lockscope.analysis import Finding, analyse
from lockscope.interpret import interpret
from notation import trace_of


def findings(story: str) -> tuple[Finding, ...]:
    return analyse(interpret(trace_of(story))).findings


def causes(story: str) -> list[str]:
    return [finding.cause for finding in findings(story)]


def turns(*spans: tuple[str, float, float], slot: str = "WAL_WRITE") -> str:
    """Short holds of the write lock: whose, from when to when."""
    return "\n".join(
        f"{began} {who} WR {slot}\n{ended} {who} UN {slot}" for who, began, ended in spans
    )


def waits(*sleeps: int, slot: str = "WAL_WRITE") -> str:
    """P9 waits from 10 on, asks again after each sleep, and gives up."""
    at, lines = 10.0, []
    for sleep in sleeps:
        lines.append(f"{at} P9 WR {slot} denied\n{at}+{sleep} P9 sleep")
        at += sleep
    return "\n" + "\n".join(lines) + f"\n{at} P9 WR {slot} denied\n500 P9 exit"


SIXTY = (1, 2, 5, 10, 15, 20, 7)
"""The sleeps of SQLite's busy handler with a timeout of 60 ms."""


def test_short_holds_of_many_are_a_saturated_database() -> None:
    queue = turns(("P1", 5, 24), ("P2", 24.5, 39), ("P3", 39.5, 54), ("P4", 54.5, 75))
    [finding] = findings(queue + waits(*SIXTY))
    assert (finding.cause, finding.confidence) == ("C07", "likely")
    evidence = finding.evidence[0]
    assert (evidence["turns_of_others"], evidence["others"]) == (4, 4)
    assert evidence["lock_taken_share"] == pytest.approx(0.975)


def test_a_lock_that_is_often_free_is_not_saturated() -> None:
    queue = turns(("P1", 5, 20), ("P2", 27, 39), ("P3", 47, 55), ("P4", 62, 75))
    assert causes(queue + waits(*SIXTY)) == []


def test_one_that_takes_the_lock_again_and_again_is_unfair() -> None:
    again = turns(*(("P1", at, at + 9.5) for at in range(5, 75, 10)))
    [finding] = findings(again + waits(*SIXTY))
    assert finding.cause == "C08"
    assert finding.evidence[0]["turns_of_others"] == 7
    assert finding.evidence[0]["in_a_fair_queue_s"] == pytest.approx(0.0082, abs=1e-3)


def test_many_that_take_a_turn_each_are_fair_however_many() -> None:
    others = turns(*((f"P{at}", at, at + 9.5) for at in range(5, 75, 10)))
    assert causes(others + waits(*SIXTY)) == ["C07"]


def test_reserved_and_exclusive_of_one_transaction_are_one_turn() -> None:
    commits = "\n".join(
        f"{at} P{at} WR RESERVED\n{at + 10} P{at} WR PENDING\n{at + 10} P{at} WR SHARED\n"
        f"{at + 19} P{at} UN ALL"
        for at in (5, 25, 45)
    )
    denied = waits(*SIXTY, slot="RESERVED").replace("18.0 P9 WR RESERVED", "18.0 P9 RD PENDING")
    [finding] = findings(commits + denied)
    assert (finding.cause, finding.evidence[0]["turns_of_others"]) == ("C07", 3)


def test_a_hold_in_which_the_disk_is_awaited_is_a_slow_disk() -> None:
    commit = "5 P1 WR WAL_WRITE\n{0} P1 sync\n75 P1 UN WAL_WRITE"
    [finding] = findings(commit.format("10+60") + waits(*SIXTY))
    assert (finding.cause, finding.evidence[0]["syncing_share"]) == ("C06", pytest.approx(0.857))
    assert causes(commit.format("10+30") + waits(*SIXTY)) == ["C02"]


def test_many_that_await_the_disk_are_a_slow_disk_and_no_saturation() -> None:
    queue = turns(("P1", 5, 24), ("P2", 24.5, 39), ("P3", 39.5, 54), ("P4", 54.5, 75))
    syncs = "\n6+17 P1 sync\n25+13 P2 sync\n40+13 P3 sync\n55+19 P4 sync"
    assert causes(queue + syncs + waits(*SIXTY)) == ["C06"]


def test_one_that_awaits_the_disk_again_and_again_is_unfair_all_the_same() -> None:
    again = turns(*(("P1", at, at + 9.5) for at in range(5, 75, 10)))
    syncs = "\n".join(f"{at}.5+8 P1 sync" for at in range(5, 75, 10))
    assert causes(f"{again}\n{syncs}" + waits(*SIXTY)) == ["C08"]


def test_a_waiter_that_sleeps_whole_seconds_is_told_by_its_sleep() -> None:
    story = "5 P1 WR WAL_WRITE\n{0} P1 UN WAL_WRITE\n10 P9 WR WAL_WRITE denied\n"
    story += "10+1000 P9 sleep\n1010 P9 WR WAL_WRITE\n1020 P9 UN WAL_WRITE\n1100 P9 exit"
    [finding] = findings(story.format(15))
    assert (finding.cause, finding.evidence[0]["slept_at_once_s"]) == ("C09", 1.0)
    assert "HAVE_USLEEP" in str(finding.evidence[0]["sleeper"])
    assert causes(story.format(900)) == ["C02"]


def test_sleeps_that_sqlite_makes_too_are_no_sleeper() -> None:
    story = "5 P1 WR WAL_WRITE\n15 P1 UN WAL_WRITE\n10 P9 WR WAL_WRITE denied\n"
    story += "10+1000 P9 sleep 100\n1010 P9 WR WAL_WRITE\n1020 P9 UN WAL_WRITE\n1100 P9 exit"
    assert causes(story) == []


def test_readers_one_after_the_other_are_no_queue_of_writers() -> None:
    readers = "\n".join(
        f"{at} P{at} RD SHARED\n{at + 19.5} P{at} UN SHARED" for at in (5, 24, 43, 62)
    )
    story = "1 P9 WR RESERVED\n" + waits(*SIXTY, slot="SHARED")
    assert causes(f"{readers}\n{story}") == []
