"""Locks that nobody needed, and databases that are just being opened or closed, as stories."""

from lockscope.analysis import analyse
from lockscope.analysis.causes import Verdict, diagnose
from lockscope.analysis.causes.model import Answer
from lockscope.interpret import interpret
from notation import trace_of

WAITS = """
    10    P2 asks b.py:1 {0}
    10    P2 WR {1} denied
    10+40 P2 sleep
    50    P2 WR {1} denied
    51    P2 returned 5
    90    P2 exit
"""
"""P2 wants to write from 10 to 50, and gives up."""


def causes(story: str) -> list[str]:
    return [finding.cause for finding in analyse(interpret(trace_of(story))).findings]


def verdict(story: str, cause: str) -> Verdict:
    verdicts = diagnose(analyse(interpret(trace_of(story))))
    return next(verdict for verdict in verdicts if verdict.cause.id == cause)


def waits(sql: str = "INSERT INTO t", slot: str = "WAL_WRITE") -> str:
    return WAITS.format(sql, slot)


def transaction(begin: str, *inside: str, end: str = "COMMIT") -> str:
    """P1 begins at 1, runs statements, and ends at 94."""
    between = "".join(
        f"\n{place}.0 P1 asks a.py:{place} {sql}\n{place}.1 P1 returned"
        for place, sql in enumerate(inside, 3)
    )
    return (
        f"1 P1 asks a.py:1 {begin}\n1 P1 WR WAL_WRITE\n2 P1 returned{between}\n"
        f"94 P1 asks a.py:9 {end}\n94.1 P1 UN WAL_WRITE\n95 P1 returned\n99 P1 exit\n"
    )


def test_a_write_transaction_that_only_reads_is_wider_than_needed() -> None:
    assert causes(transaction("BEGIN IMMEDIATE", "SELECT 1") + waits()) == ["C05"]
    assert causes(transaction("BEGIN IMMEDIATE", "SELECT 1", end="ROLLBACK") + waits()) == ["C05"]


def test_one_that_writes_or_may_have_written_is_not() -> None:
    wrote = transaction("BEGIN IMMEDIATE", "SELECT 1") + "93 P1 writes -wal\n"
    assert causes(wrote + waits()) == ["C02"]
    assert causes(transaction("BEGIN IMMEDIATE", "UPDATE t", end="ROLLBACK") + waits()) == ["C02"]
    assert causes(transaction("INSERT INTO t", end="ROLLBACK") + waits()) == ["C02"]


def test_whether_an_unknown_transaction_only_read_cannot_be_told() -> None:
    silent = "1 P1 WR WAL_WRITE\n94.1 P1 UN WAL_WRITE\n99 P1 exit\n" + waits()
    told = verdict(silent, "C05")
    assert told.answer is Answer.CANNOT_TELL
    assert "the statements" in told.needed
    assert causes(silent) == ["C02"]


NOTHING = "INSERT OR IGNORE INTO t"
EARLIER = f"0 P3 asks b.py:1 {NOTHING}\n0.1 P3 WR WAL_WRITE\n0.2 P3 UN WAL_WRITE\n0.3 P3 returned\n"
"""The same statement, granted."""


def test_a_statement_that_never_writes_waited_for_nothing() -> None:
    writer = transaction("BEGIN IMMEDIATE", "UPDATE t") + "93 P1 writes -wal\n"
    assert causes(EARLIER + writer + waits(NOTHING)) == ["C11"]
    assert causes(EARLIER + "0.15 P3 writes -wal\n" + writer + waits(NOTHING)) == ["C02"]


def test_a_statement_that_was_rolled_back_may_have_written() -> None:
    rolled_back = (
        f"0 P3 asks b.py:1 {NOTHING}\n0.1 P3 WR WAL_WRITE\n0.2 P3 returned\n"
        "0.3 P3 asks b.py:2 ROLLBACK\n0.4 P3 UN WAL_WRITE\n0.5 P3 returned\n"
    )
    writer = transaction("BEGIN IMMEDIATE", "UPDATE t") + "93 P1 writes -wal\n"
    assert causes(rolled_back + writer + waits(NOTHING)) == ["C02"]
    assert causes(rolled_back.replace("ROLLBACK", "COMMIT") + writer + waits(NOTHING)) == ["C11"]


def test_a_holder_that_changed_nothing_is_told_too() -> None:
    assert causes(transaction("DELETE FROM t WHERE 0") + waits()) == ["C11"]


def test_whether_it_would_have_written_cannot_be_told_if_it_was_never_granted() -> None:
    writer = transaction("BEGIN IMMEDIATE", "UPDATE t") + "93 P1 writes -wal\n"
    told = verdict(writer + waits(NOTHING), "C11")
    assert told.answer is Answer.CANNOT_TELL
    assert "granted once" in told.needed


def test_a_recovery_is_told_by_its_code_or_by_its_lock() -> None:
    recovers = (
        "1 P1 WR 121,2\n1 P1 WR WAL_WRITE\n94 P1 UN WAL_WRITE\n94 P1 UN WAL_RECOVER\n99 P1 exit\n"
    )
    story = recovers.replace("121,2", "WAL_RECOVER") + waits("SELECT 1")
    assert causes(story.replace("returned 5", "returned 261")) == ["C16"]
    by_lock = story.replace("WAL_WRITE denied", "WAL_RECOVER denied")
    assert causes(by_lock.replace("P2 WR WAL_RECOVER", "P2 RD WAL_RECOVER")) == ["C16"]
    assert causes("1 P2 asks b.py:1 SELECT 1\n9 P2 returned 15\n10 P2 exit") == ["C16"]


def test_the_last_close_is_told_by_its_exclusive_lock() -> None:
    closes = (
        "1 P1 asks a.py:1 {0}\n1 P1 WR PENDING\n1.1 P1 WR SHARED\n94 P1 UN ALL\n"
        "95 P1 returned\n99 P1 exit\n"
    )
    reads = waits("SELECT 1", "PENDING").replace("WR PENDING", "RD PENDING")
    assert causes(closes.format("close()") + reads) == ["C17"]
    assert causes(closes.format("COMMIT") + reads) == ["C02"]
