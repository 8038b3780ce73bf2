"""Files of databases that lost their names: who did it, and who was using them."""

import pytest

from lockscope.analysis import Analysis, analyse
from lockscope.analysis.removals import RemovedFile, find_removals, removal_sentence
from lockscope.interpret import interpret
from lockscope.trace.kinds import Kind, Removal
from lockscope.trace.model import Trace
from notation import MS, trace_of


def told(story: str) -> Analysis:
    return analyse(interpret(trace_of(story)))


def only(story: str) -> RemovedFile:
    [removed] = find_removals(told(story))
    return removed


def test_a_trace_without_removals_has_none() -> None:
    assert find_removals(told("0 P1 RD SHARED\n1 P1 UN ALL")) == ()


def test_a_database_that_is_removed_while_it_is_locked_is_a_finding() -> None:
    story = "0 P1 RD SHARED\n3 P2 unlink\n5 P1 UN ALL"
    removed = only(story)
    assert (removed.pid, removed.at_ns, removed.file) == (101, 3 * MS, "/a.db")
    assert (removed.how, removed.other) == (Removal.UNLINKED, None)
    assert (removed.users, removed.resources) == ((100,), ("a.db SHARED",))
    [finding] = told(story).findings
    assert (finding.cause, finding.count, finding.confidence) == ("C36", 1, "certain")
    assert finding.evidence[0]["users"] == [100]
    assert finding.sentence.startswith(
        "Process 101 unlinked /a.db while process 100 held a.db SHARED. Whoever has"
    )


@pytest.mark.parametrize(
    ("verb", "words"), [("rename", "renamed /a.db to"), ("replace", "replaced /a.db by")]
)
def test_what_took_its_place_is_named(verb: str, words: str) -> None:
    removed = only(f"0 P1 RD SHARED\n3 P2 {verb}")
    assert f"{words} /elsewhere.db" in removal_sentence(removed)


def test_a_database_that_is_only_open_is_in_use_as_well() -> None:
    story = "0 P1 RD SHARED\n1 P1 UN ALL\n3 P2 unlink\n5 P1 RD SHARED"
    removed = only(story)
    assert (removed.users, removed.resources) == ((100,), ())
    assert removal_sentence(removed).endswith("while process 100 had it open.")
    assert told(story).findings[0].confidence == "likely"


@pytest.mark.parametrize(
    "story",
    [
        "0 P1 RD SHARED\n1 P1 UN ALL\n2 P1 close\n3 P2 unlink\n5 P1 RD SHARED",
        "0 P1 RD SHARED\n1 P1 UN ALL\n3 P2 unlink",
        "0 P1 sleep\n3 P2 unlink\n5 P1 RD SHARED",
        "0 P1 RD SHARED\n1 P1 exit\n3 P2 unlink",
    ],
)
def test_a_database_that_nobody_has_open_may_go(story: str) -> None:
    assert removal_sentence(only(story)) == "Process 101 unlinked /a.db."
    assert told(story).findings == ()


@pytest.mark.parametrize(
    ("ending", "lock", "in_use"),
    [
        ("-wal", "WAL_DMS", True),
        ("-shm", "WAL_READ1", True),
        ("-wal", "SHARED", False),
        ("-journal", "RESERVED", True),
        ("-journal", "SHARED", False),
    ],
)
def test_a_journal_is_in_use_by_whoever_needs_it(ending: str, lock: str, *, in_use: bool) -> None:
    story = f"0 P1 WR {lock}\n3 P2 unlink {ending}\n5 P1 UN {lock}\n6 P1 RD SHARED"
    assert only(story).users == ((100,) if in_use else ())


@pytest.mark.parametrize(
    "story",
    [
        "0 P1 WR SHARED\n0 P1 WR WAL_DMS\n3 P1 unlink -wal",
        "0 P1 RD WAL_DMS\n0 P2 RD WAL_DMS\n1 P1 asks a.py:1 PRAGMA x\n3 P1 unlink -wal",
        "0 P1 WR RESERVED\n3 P1 unlink -journal",
    ],
)
def test_what_sqlite_removes_itself_is_no_finding(story: str) -> None:
    assert only(story).users == ()


def test_a_program_s_own_line_removes_a_journal_from_under_its_own_transaction() -> None:
    removed = only("0 P1 WR RESERVED\n1 P1 asks a.py:4\n3 P1 unlink -journal")
    assert (removed.users, removed.source, removed.statement) == ((100,), "a.py:4", None)
    assert "unlinked /a.db-journal at a.py:4 while" in removal_sentence(removed)


@pytest.mark.parametrize(
    ("origin", "users"),
    [("/usr/bin/python3.13+0x12", (100,)), ("/apsw/__init__.cpython-313.so+0x12", ())],
)
def test_a_driver_s_own_removal_is_none_of_the_line_that_called_it(
    origin: str, users: tuple[int, ...]
) -> None:
    trace = trace_of("0 P1 WR RESERVED\n1 P1 asks a.py:4\n3 P1 unlink -journal")
    trace.records["duration_ns"][trace.records["kind"] == Kind.REMOVE] = 2
    named = Trace(**{**vars(trace), "texts": ("", "", origin)})
    [removed] = find_removals(analyse(interpret(named)))
    assert removed.users == users


def test_the_place_the_program_and_the_statement_are_told_where_they_are_known() -> None:
    trace = trace_of("0 P1 RD SHARED\n1 P1 asks a.py:1 VACUUM\n3 P1 unlink")
    trace.records["duration_ns"][trace.records["kind"] == Kind.REMOVE] = 2
    [context, statement] = trace.contexts
    nameless = type(statement)(statement.statement, "")
    process = type(trace.processes[0])(100, command="/bin/rm -f a.db")
    changed = {"texts": ("", "", "/bin/rm+0x12"), "contexts": (context, nameless)}
    named = Trace(**{**vars(trace), **changed, "processes": (process,)})
    [removed] = find_removals(analyse(interpret(named)))
    assert removal_sentence(removed) == (
        "Process 100 (rm) unlinked /a.db at /bin/rm+0x12 in 'VACUUM' while process 100 held "
        "a.db SHARED."
    )


def test_several_removals_are_one_finding() -> None:
    story = "0 P1 RD SHARED\n0 P2 RD SHARED\n3 P3 unlink\n4 P3 unlink\n5 P3 unlink -wal"
    [finding] = told(story).findings
    assert finding.count == 2
    assert "while processes 100, 101 held" in finding.sentence
    assert finding.sentence.endswith("who opens the path now: 2 times.")
    assert [removed.at_ns for removed in find_removals(told(story))] == [3 * MS, 4 * MS, 5 * MS]
