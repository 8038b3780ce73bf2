"""Waits rebuilt from denied requests and sleeps, and who is to blame for them."""

import pytest

from lockscope.analysis import Analysis, WaitEnd, analyse
from lockscope.interpret import interpret
from notation import MS, trace_of


def analysed(story: str) -> Analysis:
    return analyse(interpret(trace_of(story)))


def waits_of(story: str) -> list[tuple[str, str, int]]:
    """(end, resource, milliseconds) of each wait."""
    analysis = analysed(story)
    return [
        (
            WaitEnd(int(row["end"])).title,
            analysis.source.resources[int(row["resource"])].title,
            round(int(row["ended_ns"] - row["began_ns"]) / MS),
        )
        for row in analysis.waits
    ]


HOLDER = "0 P1 WR RESERVED\n"


def test_granted_after_a_sleep() -> None:
    story = HOLDER + "1 P2 WR RESERVED denied\n1+5 P2 sleep\n5 P1 UN ALL\n6 P2 WR RESERVED"
    assert waits_of(story) == [("granted", "a.db RESERVED", 5)]


def test_timed_out_after_sleeps_that_did_not_help() -> None:
    story = HOLDER + "1 P2 WR RESERVED denied\n1+2 P2 sleep\n3 P2 WR RESERVED denied\n9 P2 exit"
    assert waits_of(story) == [("timed-out", "a.db RESERVED", 2)]


def test_refused_at_once_without_a_sleep() -> None:
    story = HOLDER + "1 P2 RD SHARED\n2 P2 WR RESERVED denied\n9 P2 exit"
    assert waits_of(story) == [("refused", "a.db RESERVED", 0)]


def test_killed_while_sleeping() -> None:
    story = HOLDER + "1 P2 WR RESERVED denied\n1+2 P2 sleep\n3 P2 WR RESERVED denied\n8 P2 killed"
    assert waits_of(story) == [("killed", "a.db RESERVED", 7)]


def test_unfinished_when_the_recording_ends_first() -> None:
    story = HOLDER + "1 P2 WR RESERVED denied\n1+2 P2 sleep\n3 P2 WR RESERVED denied\n9 P1 UN ALL"
    assert waits_of(story) == [("unfinished", "a.db RESERVED", 8)]


def test_rollback_retry_that_takes_shared_again_is_one_wait() -> None:
    story = (
        HOLDER
        + """
        1   P2 RD PENDING
        1   P2 RD SHARED
        1   P2 UN PENDING
        1   P2 WR RESERVED denied
        1   P2 UN ALL
        1+2 P2 sleep
        3   P2 RD PENDING
        3   P2 RD SHARED
        3   P2 UN PENDING
        3   P2 WR RESERVED denied
        3   P2 UN ALL
        3+4 P2 sleep
        6   P1 UN ALL
        7   P2 RD SHARED
        7   P2 WR RESERVED
        """
    )
    assert waits_of(story) == [("granted", "a.db RESERVED", 6)]


def test_wait_that_meets_pending_on_its_way_stays_one_wait() -> None:
    story = (
        HOLDER
        + """
        1   P2 WR RESERVED denied
        1   P2 UN ALL
        1+2 P2 sleep
        2   P1 WR PENDING
        3   P2 RD PENDING denied     # the holder is committing: no new reader may enter
        3+3 P2 sleep
        5   P1 UN ALL
        6   P2 RD PENDING
        6   P2 RD SHARED
        """
    )
    assert waits_of(story) == [("granted", "a.db PENDING", 5)]


def test_two_statements_that_fail_are_two_waits() -> None:
    story = (
        HOLDER
        + """
        1   P2 asks x.py:1 INSERT
        1   P2 WR RESERVED denied
        2   P2 returned 5
        2+9 P2 sleep                 # the program's own, not the busy handler's
        11  P2 asks x.py:1 INSERT
        11  P2 WR RESERVED denied
        12  P2 returned 5
        13  P2 exit
        """
    )
    assert waits_of(story) == [("refused", "a.db RESERVED", 0)] * 2


def test_a_probe_that_is_denied_is_no_wait() -> None:
    story = "0 P1 RD WAL_READ1\n1 P2 WR WAL_READ1 denied\n2 P2 RD WAL_READ1\n3 P2 exit"
    assert waits_of(story) == []


def test_a_checkpoint_that_waits_for_a_reader_is_a_wait() -> None:
    story = """
        0   P1 RD WAL_READ1
        1   P2 WR WAL_READ1 denied
        1+2 P2 sleep
        3   P2 WR WAL_READ1 denied
        4   P2 exit
        """
    assert waits_of(story) == [("timed-out", "a.db WAL READ1", 2)]


def test_blame_goes_to_each_holder_for_its_time() -> None:
    analysis = analysed(
        """
        0    P1 WR RESERVED
        1    P3 WR RESERVED denied
        1+5  P3 sleep
        3    P1 UN ALL
        4    P2 WR RESERVED
        6    P3 WR RESERVED denied
        6+5  P3 sleep
        11   P3 WR RESERVED denied
        12   P2 UN ALL
        13   P3 exit
        """
    )
    [blame] = [analysis.blockers(wait) for wait in range(len(analysis.waits))]
    assert [blocker.pid for blocker in blame] == [102, 100]
    assert [blocker.seconds for blocker in blame] == pytest.approx([0.007, 0.002])


def test_blame_is_divided_among_those_in_the_way_together() -> None:
    analysis = analysed(
        """
        0   P1 RD SHARED
        0   P2 RD SHARED
        1   P3 WR SHARED denied
        1+8 P3 sleep
        9   P3 WR SHARED denied
        10  P3 exit
        """
    )
    assert analysis.waiter_seconds == {0: pytest.approx(0.004), 1: pytest.approx(0.004)}


def test_root_blocker_is_at_the_end_of_the_chain() -> None:
    analysis = analysed(
        """
        0    P1 RD SHARED            # a reader
        1    P2 WR RESERVED
        2    P2 WR PENDING
        2    P2 WR SHARED denied     # a writer that waits for the reader
        2+20 P2 sleep
        3    P3 RD PENDING denied    # a reader that waits for the writer
        3+10 P3 sleep
        13   P3 RD PENDING denied
        22   P2 WR SHARED denied
        23   P1 UN ALL
        24   P2 exit
        24   P3 exit
        """
    )
    pids = [process.pid for process in analysis.source.processes]
    chains = [[pids[place] for place in analysis.chain(wait)] for wait in range(2)]
    assert chains == [[101, 100], [102, 101, 100]]


def test_a_denial_that_nothing_explains_has_no_blocker() -> None:
    analysis = analysed("1 P2 WR RESERVED denied\n1+2 P2 sleep\n3 P2 WR RESERVED denied\n4 P2 exit")
    assert analysis.blockers(0) == ()
    assert analysis.chain(0) == (0,)


def test_upgrade_deadlock_names_the_refused_as_victim() -> None:
    analysis = analysed(
        """
        0   P1 RD SHARED
        0   P2 RD SHARED
        1   P1 WR RESERVED
        2   P2 WR RESERVED denied    # refused at once; goes on holding SHARED
        3   P1 WR PENDING
        3   P1 WR SHARED denied
        3+9 P1 sleep
        12  P1 WR SHARED denied
        20  P2 UN ALL
        21  P1 exit
        """
    )
    [deadlock] = analysis.deadlocks
    assert set(deadlock.processes) == {0, 1}
    assert deadlock.victim == 1
    assert [finding.cause for finding in analysis.findings] == ["C12"]


def test_two_databases_locked_in_opposite_order_are_a_deadlock() -> None:
    analysis = analysed(
        """
        0   P1 WR RESERVED
        0   P2 WR WAL_WRITE
        1   P1 WR WAL_WRITE denied
        1+9 P1 sleep
        2   P2 WR RESERVED denied
        2+9 P2 sleep
        10  P1 WR WAL_WRITE denied
        11  P2 WR RESERVED denied
        12  P1 exit
        12  P2 exit
        """
    )
    assert [set(deadlock.processes) for deadlock in analysis.deadlocks] == [{0, 1}]


def test_waiting_without_a_cycle_is_no_deadlock() -> None:
    story = HOLDER + "1 P2 WR RESERVED denied\n1+5 P2 sleep\n5 P1 UN ALL\n6 P2 WR RESERVED"
    assert analysed(story).deadlocks == ()
