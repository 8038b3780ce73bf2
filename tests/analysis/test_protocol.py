"""What SQLite's protocol allows, and what is done without the lock that it requires."""

from dataclasses import replace

import pytest

from lockscope.analysis import analyse
from lockscope.analysis.protocol import Breach, find_violations
from lockscope.interpret import interpret
from lockscope.trace.model import Gap
from notation import trace_of


def broken(story: str) -> list[tuple[Breach, str]]:
    violations = find_violations(analyse(interpret(trace_of(story))))
    return [(one.breach, one.what) for one in violations]


EXCLUSIVE = "0 P1 RD SHARED\n1 P1 WR RESERVED\n2 P1 WR PENDING\n2.1 P1 WR SHARED\n"


@pytest.mark.parametrize(
    "story",
    [
        "0 P1 RD SHARED\n1 P1 WR RESERVED\n2 P1 writes -journal\n3 P1 UN ALL",
        EXCLUSIVE + "3 P1 writes\n3 P1 writes -journal\n4 P1 UN ALL",
        "0 P1 RD SHARED\n1 P1 WR SHARED\n2 P1 writes\n3 P1 writes -journal\n4 P1 UN ALL",
        "0 P1 RD SHARED\n1 P1 RD WAL_DMS\n2 P1 WR WAL_WRITE\n3 P1 writes -wal\n4 P1 UN WAL_WRITE",
        "0 P1 RD SHARED\n1 P1 WR WAL_CKPT\n2 P1 writes\n3 P1 UN WAL_CKPT",
        "0 P1 WR SHARED\n1 P1 writes -wal\n2 P1 writes\n3 P1 UN ALL",  # unix-excl
        "0 P1 writes -shm",
    ],
)
def test_what_the_protocol_allows_is_no_violation(story: str) -> None:
    assert broken(story) == []


def test_writes_need_their_lock() -> None:
    assert broken("0 P1 RD SHARED\n1 P1 writes") == [(Breach.WROTE, "a.db")]
    reserved = "0 P1 RD SHARED\n1 P1 WR RESERVED\n2 P1 writes"
    assert broken(reserved) == [(Breach.WROTE, "a.db")]
    assert broken("0 P1 RD SHARED\n1 P1 writes -journal") == [(Breach.WROTE, "a.db-journal")]
    assert broken("0 P1 RD SHARED\n1 P1 RD WAL_READ1\n2 P1 writes -wal") == [
        (Breach.WROTE, "a.db-wal")
    ]


def test_a_write_told_by_the_unlock_that_came_before_is_allowed() -> None:
    assert broken(EXCLUSIVE + "3 P1 UN ALL\n3.5 P1 writes") == []
    assert broken(EXCLUSIVE + "3 P1 UN ALL\n4.5 P1 writes") == [(Breach.WROTE, "a.db")]
    assert broken(EXCLUSIVE + "3 P1 close\n3.5 P1 writes") == [(Breach.WROTE, "a.db")]


def test_requests_beyond_shared_need_shared() -> None:
    assert broken("0 P1 WR RESERVED") == [(Breach.ESCALATED, "a.db RESERVED")]
    assert broken("0 P1 WR PENDING denied") == [(Breach.ESCALATED, "a.db PENDING")]
    assert broken("0 P1 RD WAL_READ1") == [(Breach.ESCALATED, "a.db WAL READ1")]
    assert broken("0 P1 RD PENDING\n1 P1 RD SHARED\n2 P1 UN PENDING\n3 P1 UN ALL") == []


def test_a_journal_ends_under_a_lock() -> None:
    commit = "\n1 P1 asks a.py:1 COMMIT\n2 P1 unlink -journal\n3 P1 returned"
    assert broken("0 P1 sleep" + commit) == [(Breach.COMMITTED, "a.db-journal")]
    assert broken("0 P1 RD SHARED\n0.1 P1 WR RESERVED" + commit) == []
    assert broken("0 P1 unlink -journal") == []  # by nobody's statement: not SQLite itself
    assert broken("0 P1 asks a.py:1 COMMIT\n2 P1 unlink -wal\n3 P1 returned") == []


def test_a_process_that_lost_records_is_not_judged() -> None:
    trace = trace_of("0 P1 RD SHARED\n1 P1 writes\n2 P2 writes")
    gaps = [Gap(100, 0, "process 100 lost 1 record"), Gap(101, 0, "so did 101")]
    one = interpret(replace(trace, gaps=tuple(gaps[:1])))
    assert [violation.process for violation in find_violations(analyse(one))] == [1]
    both = interpret(replace(trace, gaps=tuple(gaps)))
    assert find_violations(analyse(both)) == ()
