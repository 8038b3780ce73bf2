"""Rules that look alike stay apart, told as stories; the zoo shows the same with real programs."""

from dataclasses import replace

import pytest

from lockscope.analysis import Finding, analyse
from lockscope.analysis.causes import diagnose
from lockscope.analysis.causes.model import Answer
from lockscope.interpret import interpret
from notation import trace_of


def findings(story: str) -> tuple[Finding, ...]:
    return analyse(interpret(trace_of(story))).findings


def causes(story: str) -> list[str]:
    return [finding.cause for finding in findings(story)]


WAITS = """
    10    P2 WR RESERVED denied
    10+40 P2 sleep
    50    P2 WR RESERVED denied
    90    P2 exit
"""
"""P2 wants to write from 10 to 50, and gives up."""


def test_a_transaction_that_is_never_ended_is_leaked() -> None:
    story = "0 P1 asks a.py:1 INSERT\n1 P1 WR RESERVED\n2 P1 returned" + WAITS + "95 P1 exit"
    [finding] = findings(story)
    assert finding.cause == "C03"
    assert finding.evidence[0]["held_s"] == pytest.approx(0.094)


def test_one_that_is_closed_open_is_leaked_too() -> None:
    begun = "0 P1 asks a.py:1 INSERT\n1 P1 WR RESERVED\n2 P1 returned"
    closed = "94 P1 asks a.py:9 close()\n95 P1 UN ALL\n96 P1 returned\n99 P1 exit"
    assert causes(begun + WAITS + closed) == ["C03"]
    rolled_back = closed.replace("close()", "ROLLBACK")
    assert causes(begun + WAITS + rolled_back) == ["C02"]


def test_one_that_goes_on_is_long_also_where_it_ends_with_its_process() -> None:
    begun = "0 P1 asks a.py:1 INSERT\n1 P1 WR RESERVED\n2 P1 returned"
    goes_on = "\n60 P1 asks a.py:2 UPDATE\n61 P1 returned\n95 P1 exit"
    assert causes(begun + WAITS + goes_on) == ["C02"]


def test_what_was_committed_was_not_leaked() -> None:
    committed = "94 P1 WR PENDING\n94.1 P1 WR SHARED\n95 P1 UN ALL\n96 P1 exit"
    assert causes("1 P1 WR RESERVED" + WAITS + committed) == ["C02"]


def test_maintenance_is_told_by_its_statement() -> None:
    story = "0 P1 asks a.py:1 VACUUM\n1 P1 WR RESERVED" + WAITS + "95 P1 UN ALL\n96 P1 returned"
    [finding] = findings(story)
    assert (finding.cause, finding.evidence[0]["holder_source"]) == ("C10", "a.py:1")
    assert finding.evidence[0]["held_in_statements_s"] == pytest.approx(0.094)


FAILED_COMMIT = """
    0     P3 RD SHARED
    1     P1 WR RESERVED
    2     P1 asks a.py:2 COMMIT
    3     P1 WR PENDING
    3.1   P1 WR SHARED denied
    3.2+6 P1 sleep
    9.2   P1 WR SHARED denied
    9.5   P1 returned 5
"""
LOCKED_OUT = """
    10    P2 RD PENDING denied
    10+40 P2 sleep
    50    P2 RD PENDING denied
    90    P2 exit
"""


def test_a_failed_commit_that_stays_is_one_story() -> None:
    [finding] = findings(FAILED_COMMIT + "9.8 P3 UN ALL" + LOCKED_OUT + "95 P1 exit")
    assert (finding.cause, finding.count) == ("C04", 2)


def test_a_failed_commit_that_is_repeated_is_the_readers_fault() -> None:
    repeated = "70 P1 asks a.py:3 COMMIT\n71 P1 WR SHARED\n72 P1 UN ALL\n73 P1 returned"
    told = causes(FAILED_COMMIT + "9.8 P3 UN ALL" + LOCKED_OUT + repeated + "\n95 P1 exit")
    assert sorted(told) == ["C02", "C18"]


def test_a_checkpoint_behind_a_reader_is_told_from_a_writer() -> None:
    writer = "0 P1 WR WAL_CKPT\n0.1 P1 WR WAL_WRITE"
    waits = WAITS.replace("RESERVED", "WAL_WRITE")
    reader = "0 P3 RD WAL_READ1"
    polls = "1 P1 WR WAL_READ1 denied\n1+50 P1 sleep\n51 P1 WR WAL_READ1 denied\n93 P1 UN WAL_WRITE"
    assert causes(f"{reader}\n{writer}\n{polls}\n{waits}\n95 P1 exit\n96 P3 exit")[0] == "C21"
    assert causes(f"{writer}\n{waits}\n93 P1 UN WAL_WRITE\n95 P1 exit") == ["C02"]


def test_exclusive_mode_is_told_by_its_pragma() -> None:
    asked = "0 P1 asks a.py:1 PRAGMA locking_mode=EXCLUSIVE\n0.1 P1 returned\n"
    kept = "1 P1 WR 1073741824,512"
    waits = WAITS.replace("WR RESERVED", "RD PENDING")
    assert causes(asked + kept + waits + "95 P1 exit") == ["C27"]
    not_asked = asked.replace("PRAGMA locking_mode=EXCLUSIVE", "SELECT 1")
    assert causes(not_asked + kept + waits + "95 P1 exit") == ["C02"]


def test_a_journal_mode_is_told_by_its_pragma() -> None:
    story = """
        0   P1 WR RESERVED
        1   P2 asks a.py:1 PRAGMA journal_mode=WAL
        1.1 P2 WR RESERVED denied
        1.2 P2 returned 5
        9   P1 UN ALL
        9   P2 exit
    """
    assert causes(story) == ["C15"]


def test_a_locked_table_is_told_by_its_code() -> None:
    assert causes("0 P1 RD SHARED\n1 P1 asks a.py:1 DROP TABLE t\n2 P1 returned 6\n3 P1 exit") == [
        "C25"
    ]


def test_a_long_wait_that_was_granted_has_a_victim_too() -> None:
    story = """
        0     P1 WR RESERVED
        10    P2 WR RESERVED denied
        10+{0} P2 sleep
        {1}   P1 UN ALL
        {1}   P2 WR RESERVED
        {2}   P2 UN ALL
    """
    [finding] = findings(story.format(1000, 1010, 1020))
    assert finding.cause == "C02"
    assert finding.evidence[0]["failed"] is False
    assert findings(story.format(900, 910, 920)) == ()


def test_a_verdict_without_a_victim_is_a_no() -> None:
    verdicts = diagnose(analyse(interpret(trace_of("0 P1 RD SHARED\n1 P1 UN ALL\n2 P1 exit"))))
    assert {verdict.answer for verdict in verdicts} == {Answer.NO}
    assert [verdict.failures for verdict in verdicts] == [0] * len(verdicts)


def test_each_hold_of_a_process_has_its_own_story() -> None:
    again = WAITS.replace("P2", "P3").replace("90", "92")
    begun = "1 P1 WR RESERVED\n60 P1 UN ALL\n61 P1 WR RESERVED"
    later = "62 P4 WR RESERVED denied\n62+20 P4 sleep\n82 P4 WR RESERVED denied\n93 P4 exit"
    [finding] = findings(begun + WAITS + again + later + "\n94 P1 UN ALL\n95 P1 exit")
    assert (finding.cause, finding.count) == ("C02", 3)
    lengths = sorted(round(float(str(one["held_s"])), 3) for one in finding.evidence)
    assert lengths == [0.033, 0.059, 0.059]


def test_an_error_that_no_wait_explains_is_no_failed_commit() -> None:
    busy = "0 P1 WR RESERVED\n1 P1 asks a.py:1 SELECT\n2 P1 returned 5"
    assert sorted(causes(busy + WAITS + "94 P1 UN ALL\n95 P1 exit")) == ["C02", "C24"]


def test_several_checkpoints_behind_one_reader_are_a_long_reader() -> None:
    reads = "0 P1 asks a.py:1 SELECT\n1 P1 RD WAL_READ1\n2 P1 returned"
    checkpoint = "\n{0} P2 WR WAL_CKPT\n{0}.1 P2 WR WAL_READ1 denied\n{0}.2 P2 UN WAL_CKPT"
    many = reads + "".join(checkpoint.format(at) for at in (10, 20, 30)) + "\n40 P1 UN WAL_READ1"
    [finding] = findings(many + "\n50 P1 exit\n50 P2 exit")
    assert (finding.cause, finding.evidence[0]["checkpoints_denied"]) == ("C20", 3)
    assert finding.evidence[0]["source"] == "a.py:1"
    few = reads + "".join(checkpoint.format(at) for at in (10, 20)) + "\n40 P1 UN WAL_READ1"
    assert causes(few + "\n50 P1 exit\n50 P2 exit") == []


def test_a_writer_that_wants_a_read_mark_is_no_checkpoint() -> None:
    story = "0 P1 RD WAL_READ1" + "".join(
        f"\n{at} P2 asks b.py:1 SELECT\n{at}.1 P2 WR WAL_READ1 denied\n{at}.2 P2 returned"
        for at in (10, 20, 30)
    )
    assert causes(story + "\n40 P1 UN WAL_READ1\n50 P1 exit\n50 P2 exit") == []


def named(story: str, *commands: str) -> list[str]:
    trace = trace_of(story)
    processes = tuple(
        replace(process, command=command)
        for process, command in zip(trace.processes, commands, strict=True)
    )
    analysis = analyse(interpret(replace(trace, processes=processes)))
    return [finding.cause for finding in analysis.findings]


def test_a_tool_is_told_by_its_program() -> None:
    story = "1 P1 WR RESERVED" + WAITS + "95 P1 exit"
    assert named(story, "/usr/bin/sqlite3 a.db", "python app.py") == ["C22"]
    assert named(story, "python work.py", "python app.py") == ["C03"]
    assert named(story, "", "python app.py") == ["C03"]


def test_a_schema_that_workers_of_one_program_make_is_a_race() -> None:
    story = (
        "0 P1 asks a.py:1 BEGIN IMMEDIATE\n1 P1 WR RESERVED\n2 P1 returned\n"
        "3 P1 asks a.py:2 CREATE TABLE t(x)\n4 P1 returned" + WAITS + "95 P1 exit"
    )
    assert named(story, "python worker.py", "python worker.py") == ["C29"]
    assert named(story, "python worker.py", "python other.py") == ["C03"]
