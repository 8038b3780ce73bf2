"""Causes that look alike stay apart."""

import pytest

from lockscope.analysis import Finding, analyse
from lockscope.interpret import interpret
from notation import MS, trace_of


def findings(story: str) -> tuple[Finding, ...]:
    return analyse(interpret(trace_of(story))).findings


def test_refused_while_holding_nothing_is_a_missing_timeout() -> None:
    [finding] = findings("0 P1 WR RESERVED\n5 P2 WR RESERVED denied\n9 P1 UN ALL\n9 P2 exit")
    assert (finding.cause, finding.timeout_helps, finding.count) == ("C01", "yes", 1)


def test_refused_while_reading_is_an_upgrade_by_its_statements() -> None:
    [finding] = findings(
        """
        0   P1 WR RESERVED
        1.0 P2 asks app.py:1 SELECT
        1.1 P2 RD SHARED
        1.2 P2 returned
        1.3 P2 asks app.py:2 INSERT
        1.4 P2 WR RESERVED denied
        1.5 P2 returned 5
        1.6 P2 UN ALL
        9 P1 UN ALL
        9 P2 exit
        """
    )
    assert (finding.cause, finding.timeout_helps) == ("C12", "no")
    assert finding.evidence[0]["source"] == "app.py:2"
    assert "app.py:2" in finding.sentence


def test_refused_in_wal_while_reading_is_an_upgrade_too() -> None:
    [finding] = findings(
        """
        0 P1 WR WAL_WRITE
        1 P2 RD WAL_READ1
        5 P2 WR WAL_WRITE denied
        9 P1 UN WAL_WRITE
        9 P2 exit
        """
    )
    assert (finding.cause, finding.timeout_helps) == ("C13", "no")


def test_a_commit_refused_by_a_reader_is_a_missing_timeout() -> None:
    # For EXCLUSIVE SQLite invokes the busy handler, read lock or not: only none can refuse it.
    [finding] = findings("0 P1 RD SHARED\n1 P2 RD SHARED\n2 P2 WR SHARED denied\n8 P2 exit")
    assert finding.cause == "C01"


def test_a_stale_snapshot_is_told_by_its_code() -> None:
    [finding] = findings("1 P1 asks app.py:7 UPDATE\n2 P1 returned 517\n3 P1 exit")
    assert (finding.cause, finding.evidence[0]["source"]) == ("C14", "app.py:7")


def test_a_stale_snapshot_leaves_no_denied_lock() -> None:
    [finding] = findings(
        """
        0 P1 RD WAL_READ1
        1 P1 asks app.py:7 UPDATE
        2 P1 WR WAL_WRITE
        3 P1 UN WAL_WRITE
        4 P1 returned 517
        5 P1 exit
        """
    )
    assert (finding.cause, finding.evidence[0]["resource"]) == ("C14", None)


def test_a_timeout_behind_one_hold_is_a_long_transaction() -> None:
    story = "0 P1 WR RESERVED\n1 P2 WR RESERVED denied\n1+9 P2 sleep\n10 P2 WR RESERVED denied"
    [finding] = findings(story + "\n20 P2 exit\n30 P1 UN ALL")
    assert (finding.cause, finding.evidence[0]["holder_pid"]) == ("C02", 100)


def test_a_timeout_behind_many_short_holds_is_no_long_transaction() -> None:
    lines = [f"{at} P1 WR RESERVED\n{at + 1} P1 UN ALL" for at in range(0, 40, 4)]
    lines += [f"{at} P2 WR RESERVED denied\n{at}+4 P2 sleep" for at in range(0, 40, 4)]
    [finding] = findings("\n".join([*lines, "40 P2 WR RESERVED denied", "41 P2 exit"]))
    assert finding.cause == "C08"


def test_blame_counts_only_the_time_asked_about() -> None:
    story = "0 P1 WR RESERVED\n1 P2 WR RESERVED denied\n1+8 P2 sleep\n9 P2 WR RESERVED denied"
    analysis = analyse(interpret(trace_of(story + "\n20 P2 exit\n30 P1 UN ALL")))
    blame = analysis.blame(101, 5 * MS, 100 * MS)
    assert blame.waited_ns == 4 * MS
    [blocker] = blame.blockers
    assert (blocker.pid, blocker.resource, blocker.mode) == (100, "a.db RESERVED", "exclusive")
    assert blocker.seconds == pytest.approx(0.008)  # of the whole wait
    assert analysis.blame(101, 40 * MS, 50 * MS).blockers == ()


def test_chains_that_meet_again_are_no_deadlock() -> None:
    analysis = analyse(
        interpret(
            trace_of(
                """
                0    P1 RD SHARED
                0    P2 RD SHARED
                0    P4 WR WAL_CKPT
                1    P3 WR WAL_WRITE
                2    P3 WR SHARED denied      # P3 waits for P1 and P2
                2+20 P3 sleep
                3    P1 WR WAL_CKPT denied    # both of which wait for P4
                3+20 P1 sleep
                4    P2 WR WAL_CKPT denied
                4+20 P2 sleep
                5    P5 WR WAL_WRITE denied   # and P5 for P3
                5+20 P5 sleep
                0    P5 WR RESERVED
                6    P6 WR RESERVED denied    # and P6 for P5
                6+20 P6 sleep
                30   P1 exit
                30   P2 exit
                30   P3 exit
                30   P4 exit
                30   P5 exit
                30   P6 exit
                """
            )
        )
    )
    assert analysis.deadlocks == ()
    assert {analysis.chain(wait)[-1] for wait in range(len(analysis.waits))} == {2}


def test_three_processes_in_a_ring_are_a_deadlock() -> None:
    analysis = analyse(
        interpret(
            trace_of(
                """
                0   P1 WR RESERVED
                0   P2 WR WAL_WRITE
                0   P3 WR WAL_CKPT
                1   P1 WR WAL_WRITE denied
                1+9 P1 sleep
                2   P2 WR WAL_CKPT denied
                2+9 P2 sleep
                3   P3 WR RESERVED denied
                3+9 P3 sleep
                12  P1 exit
                12  P2 exit
                12  P3 exit
                """
            )
        )
    )
    [deadlock] = analysis.deadlocks
    assert sorted(deadlock.processes) == [0, 1, 2]
    assert analysis.chain(0) == (0, 1, 2)
