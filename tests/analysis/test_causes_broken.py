"""Locks that keep nobody out, holders that nobody thinks of, and what surrounds a database."""

from dataclasses import replace

import numpy as np
import pytest

from lockscope.analysis import Analysis, Finding, analyse
from lockscope.analysis.causes import diagnose
from lockscope.analysis.causes.model import Answer
from lockscope.interpret import interpret
from lockscope.interpret.model import HALT, Interpretation
from lockscope.trace.kinds import Method
from lockscope.trace.manifest import DatabaseFile
from lockscope.trace.model import Trace
from notation import MS, trace_of

WAITS = """
    10    P2 WR RESERVED denied
    10+40 P2 sleep
    50    P2 WR RESERVED denied
    90    P2 exit
"""
HOLDS = "0 P1 RD SHARED\n1 P1 WR RESERVED" + WAITS + "95 P1 exit"


def source_of(story: str, *, file_system: str = "") -> Interpretation:
    trace = trace_of(story)
    database = DatabaseFile("/a.db", 1, 7, "rollback", file_system)
    return interpret(replace(trace, manifest=replace(trace.manifest, databases=(database,))))


def analysed(story: str, *, file_system: str = "") -> Analysis:
    return analyse(source_of(story, file_system=file_system))


def causes(analysis: Analysis) -> list[str]:
    return [finding.cause for finding in analysis.findings]


def only(analysis: Analysis) -> Finding:
    [finding] = analysis.findings
    return finding


def halted(began: int, ended: int, process: int = 0, state: str = "T") -> Analysis:
    source = source_of(HOLDS)
    row = (began * MS, ended * MS, process, ord(state))
    return analyse(replace(source, halts=np.array([row], HALT)))


def with_holder(command: str, *, recorded: bool) -> Analysis:
    source = source_of(HOLDS)
    first, *others = source.processes
    holder = replace(first, command=command, recorded=recorded)
    return analyse(replace(source, processes=(holder, *others)))


def test_a_holder_that_was_stopped_meanwhile_is_told() -> None:
    finding = only(halted(20, 95))
    assert (finding.cause, finding.evidence[0]["holder_stopped"]) == ("C28", True)
    assert causes(halted(60, 95)) == ["C03"]
    assert causes(halted(0, 5)) == ["C03"]
    assert causes(halted(20, 95, process=1)) == ["C03"]
    assert causes(halted(20, 95, state="D")) == ["C03"]


def test_a_holder_that_recorded_nothing_is_told_unless_its_program_says_more() -> None:
    finding = only(with_holder("/opt/app/server --port 1", recorded=False))
    assert (finding.cause, finding.evidence[0]["holder_command"]) == (
        "C28",
        "/opt/app/server --port 1",
    )
    assert causes(with_holder("sqlite3 a.db", recorded=False)) == ["C22"]
    assert causes(with_holder("/opt/app/server", recorded=True)) == ["C03"]


def test_a_program_that_opens_files_by_itself_is_told_by_its_name() -> None:
    finding = only(with_holder("/usr/bin/Nextcloud --background", recorded=False))
    assert (finding.cause, finding.confidence) == ("C34", "likely")


def verdict_of(analysis: Analysis, cause: str) -> Answer:
    [verdict] = [verdict for verdict in diagnose(analysis) if verdict.cause.id == cause]
    return verdict.answer


def test_what_nobody_in_the_trace_held_may_have_been_a_foreign_program() -> None:
    alone = analysed(WAITS)
    assert verdict_of(alone, "C34") is Answer.CANNOT_TELL
    assert verdict_of(analysed(HOLDS), "C34") is Answer.NO
    [verdict] = [verdict for verdict in diagnose(alone) if verdict.cause.id == "C34"]
    assert "lockscope who" in verdict.needed


FORKED = """
    0    P1 RD SHARED
    1    P1 fork P2
    2    P2 asks b.py:1 INSERT
    3    P2 WR RESERVED
    3.1  P2 WR PENDING
    3.2  P2 WR SHARED denied
    3+40 P2 sleep
    43   P2 WR SHARED denied
    44   P2 returned 5
    60   P2 exit
    90   P1 UN ALL
    91   P1 exit
"""


def test_a_forked_process_that_holds_nothing_itself_is_told() -> None:
    finding = only(analysed(FORKED))
    assert (finding.cause, finding.confidence, finding.count) == ("C30", "certain", 1)
    assert finding.evidence[0]["forked_by"] == 100
    assert finding.evidence[0]["violations"] == 2
    assert "asked for a.db RESERVED without the lock" in finding.sentence


def test_whom_a_forked_process_keeps_waiting_is_a_part_of_it() -> None:
    forked = "0 P1 RD SHARED\n1 P1 fork P3\n1.5 P3 WR RESERVED" + WAITS
    finding = only(analysed(forked + "95 P3 exit\n95 P1 exit"))
    assert (finding.cause, finding.evidence[0]["pid"]) == ("C30", 102)
    assert finding.evidence[0]["holder_pid"] == 101


def test_a_forked_process_with_a_lock_of_its_own_is_like_any_other() -> None:
    own = FORKED.replace("2    P2 asks", "1.5  P2 RD SHARED\n    2    P2 asks")
    assert causes(analysed(own)) == ["C18"]
    unused = FORKED.replace("0    P1 RD SHARED", "0    P1 sleep")
    assert "C30" not in causes(analysed(unused))


def connected(*rows: tuple[int, Method]) -> Trace:
    """P1 connects, forks P2, which runs statements by methods on connections."""
    lines = "\n".join(f"{at} P2 asks b.py:{at} SELECT\n{at}.1 P2 returned" for at in (5, 6))
    trace = trace_of(f"0 P1 asks a.py:1 connect\n1 P1 returned\n2 P1 fork P2\n{lines}")
    records = trace.records.copy()
    statements = np.flatnonzero(records["kind"] == 14)
    for place, (connection, method) in zip(statements, rows, strict=True):
        records["start"][place], records["mode"][place] = connection, method
    return replace(trace, records=records)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (((7, Method.CONNECT), (7, Method.EXECUTE), (7, Method.EXECUTE)), ["C30"]),
        (((7, Method.CONNECT), (7, Method.CONNECT), (7, Method.EXECUTE)), []),
        (((7, Method.CONNECT), (8, Method.CONNECT), (8, Method.EXECUTE)), []),
        (((7, Method.CONNECT), (7, Method.CLOSE_CONNECTION), (8, Method.EXECUTE)), []),
    ],
)
def test_a_connection_used_after_a_fork_is_told(
    rows: tuple[tuple[int, Method], ...], told: list[str]
) -> None:
    analysis = analyse(interpret(connected(*rows)))
    assert causes(analysis) == told
    for finding in analysis.findings:
        assert finding.confidence == "likely"


NOLOCK = "\n5 P3 asks a.py:1 COMMIT\n6 P3 unlink -journal\n7 P3 returned"


def test_a_commit_without_a_lock_is_certain_where_others_lock() -> None:
    finding = only(analysed("0 P1 RD SHARED\n1 P1 UN ALL" + NOLOCK))
    assert (finding.cause, finding.confidence) == ("C32", "certain")
    assert "without holding any lock" in finding.sentence
    assert only(analysed("0 P1 sleep" + NOLOCK)).confidence == "likely"


def test_a_lock_that_was_asked_for_without_another_is_no_proof_of_that() -> None:
    assert causes(analysed("0 P1 WR RESERVED\n1 P1 UN ALL")) == []


def test_a_write_after_lost_locks_is_told_there() -> None:
    lost = "0 P1 RD SHARED\n0.1 P1 WR RESERVED\n1 P1 close\n3 P1 writes -journal\n4 P1 UN ALL"
    finding = only(analysed(lost))
    assert (finding.cause, finding.evidence[0]["violations"]) == ("C31", 1)


@pytest.mark.parametrize(
    ("file_system", "cause"), [("nfs4", "C32"), ("virtiofs", "C33"), ("fuse.sshfs", "C33")]
)
def test_a_mount_that_hides_locks_is_possible_or_certain(file_system: str, cause: str) -> None:
    finding = only(analysed("0 P1 RD SHARED\n1 P1 UN ALL", file_system=file_system))
    assert (finding.cause, finding.confidence) == (cause, "possible")
    assert file_system in finding.sentence
    failed = "0 P1 RD SHARED\n1 P1 WR RESERVED failed\n2 P1 UN ALL"
    finding = only(analysed(failed, file_system=file_system))
    assert (finding.cause, finding.confidence) == (cause, "certain")
    assert "1 lock calls failed" in finding.sentence


def test_locks_that_fail_on_any_other_file_system_are_told_too() -> None:
    failed = "0 P1 RD SHARED\n1 P1 WR RESERVED failed\n2 P1 UN ALL"
    assert causes(analysed(failed, file_system="ext4")) == ["C32"]
    assert causes(analysed("0 P1 RD SHARED\n2 P1 UN ALL", file_system="ext4")) == []
    assert causes(analysed("0 P1 sleep", file_system="nfs")) == []


CRASHED = """
    0   P1 RD SHARED
    0.1 P1 WR RESERVED
    1   P1 WR PENDING
    1.1 P1 WR SHARED
    2   P1 killed
    5   P3 RD SHARED
    6   P3 WR SHARED
    10  P2 RD SHARED denied
    10+40 P2 sleep
    50  P2 RD SHARED denied
    60  P3 UN ALL
    70  P2 exit
    80  P3 exit
"""


def test_whoever_rolls_back_for_a_dead_process_keeps_others_waiting() -> None:
    finding = only(analysed(CRASHED))
    assert (finding.cause, finding.evidence[0]["died_pid"]) == ("C35", 100)
    intends = CRASHED.replace("5   P3 RD SHARED", "5 P3 RD SHARED\n5.1 P3 WR RESERVED")
    assert "C35" not in causes(analysed(intends))
    log = "0 P4 RD SHARED\n0.1 P4 RD WAL_DMS\n0.2 P4 UN WAL_DMS\n0.3 P4 UN SHARED\n0.4 P4 exit"
    assert "C35" not in causes(analysed(log + CRASHED))
    alive = CRASHED.replace("2   P1 killed", "2   P1 UN ALL")
    assert "C35" not in causes(analysed(alive))


def test_whoever_waits_later_for_another_is_no_victim_of_the_journal() -> None:
    later = (
        "101 P4 WR RESERVED\n102 P5 WR RESERVED denied\n102+40 P5 sleep\n"
        "142 P5 WR RESERVED denied\n150 P4 UN ALL\n151 P4 exit\n152 P5 exit"
    )
    shared = "100 P4 RD SHARED\n101.5 P5 RD SHARED\n142.5 P5 UN ALL\n"
    assert sorted(causes(analysed(CRASHED + shared + later))) == ["C02", "C35"]
    nobody = "\n200 P6 RD SHARED denied\n200+9 P6 sleep\n209 P6 RD SHARED denied\n210 P6 exit"
    assert sorted(causes(analysed(CRASHED + shared + later + nobody))) == ["C02", "C35"]
