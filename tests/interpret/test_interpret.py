"""What records mean: which files are databases, and what statements alone can tell."""

from pathlib import Path

import numpy as np

from lockscope.analysis import WaitEnd, analyse
from lockscope.interpret import interpret
from lockscope.interpret.files import database_files
from lockscope.trace.kinds import EndMode, Kind, Method
from lockscope.trace.manifest import Manifest
from lockscope.trace.model import Context, Process, Trace, TracedFile
from lockscope.trace.records import MERGED
from notation import MS

Row = dict[str, int]


def trace(rows: list[Row], files: tuple[TracedFile, ...] = (), sql: tuple[str, ...] = ()) -> Trace:
    records = np.zeros(len(rows), MERGED)
    for place, row in enumerate(rows):
        for field, value in row.items():
            records[field][place] = value
    return Trace(
        path=Path("t.trace"),
        manifest=Manifest(("command",), "/", "host", "boot", 0, "", {}),
        processes=(Process(100), Process(200, ended_ns=90 * MS, end=EndMode.EXITED, exited=True)),
        files=(TracedFile(0, 0, ""), *files),
        contexts=(Context("", ""), *(Context(text, f"app.py:{n}") for n, text in enumerate(sql))),
        texts=("",),
        records=records,
        gaps=(),
    )


def lock(file: int, start: int, **more: int) -> Row:
    return {"kind": Kind.LOCK, "file": file, "start": start, "length": 1, "mode": 2, **more}


def test_companions_belong_to_their_database() -> None:
    files = database_files(
        trace(
            [lock(1, 0x40000001), lock(2, 120)],
            (
                TracedFile(1, 1, "/a/app.db"),
                TracedFile(1, 2, "/a/app.db-shm"),
                TracedFile(1, 3, "/a/app.db-journal"),
                TracedFile(1, 4, "/a/other"),
            ),
        )
    )
    assert files.paths == ("/a/app.db",)
    assert files.database.tolist() == [-1, 0, 0, 0, -1]
    assert files.is_shm.tolist() == [False, False, True, False, False]


def test_databases_of_one_name_are_told_apart_by_their_folders() -> None:
    files = database_files(
        trace(
            [lock(1, 0x40000001), lock(2, 0x40000001)],
            (TracedFile(1, 1, "/a/app.db"), TracedFile(1, 2, "/b/app.db")),
        )
    )
    assert files.titles == ("/a/app.db", "/b/app.db")


def test_two_names_of_one_file_are_one_database() -> None:
    files = database_files(
        trace(
            [lock(1, 0x40000001), lock(2, 0x40000001)],
            (TracedFile(1, 1, "/a/app.db"), TracedFile(1, 1, "/a/link.db")),
        )
    )
    assert files.paths == ("/a/app.db",)
    assert files.database.tolist() == [-1, 0, 0]


def test_an_empty_trace_has_nothing() -> None:
    analysis = analyse(interpret(trace([])))
    assert (len(analysis.holds), len(analysis.waits), analysis.has_findings) == (0, 0, False)


def test_work_is_that_on_the_files_of_a_database() -> None:
    source = interpret(
        trace(
            [
                lock(1, 0x40000001),
                {"kind": Kind.WRITES, "file": 2, "start": 3, "length": 4096, "began_ns": 5},
                {"kind": Kind.SYNC, "file": 1, "began_ns": 6, "duration_ns": 7},
            ],
            (TracedFile(1, 1, "/a/app.db"), TracedFile(1, 2, "/a/app.db-journal")),
        )
    )
    assert source.work[["calls", "bytes", "sync"]].tolist() == [(3, 4096, 0), (1, 0, 1)]


def statement(process: int, method: int, began: int, ended: int, context: int, **more: int) -> Row:
    return {
        "kind": Kind.STATEMENT,
        "process": process,
        "thread": 7,
        "mode": method,
        "began_ns": began * MS,
        "duration_ns": (ended - began) * MS,
        "context": context,
        "start": 1,
        **more,
    }


def test_without_locks_the_write_lock_is_inferred_from_statements() -> None:
    execute, commit = Method.EXECUTE, Method.COMMIT
    sql = ("INSERT INTO t VALUES (?)", "COMMIT", "SELECT 1", "BEGIN IMMEDIATE", "ROLLBACK")
    analysis = analyse(
        interpret(
            trace(
                [
                    statement(0, execute, 1, 1, 3),
                    statement(0, execute, 2, 2, 1),
                    statement(1, execute, 3, 40, 1, error=5),  # waited in vain
                    statement(0, commit, 50, 51, 2),
                    statement(1, execute, 52, 52, 4),
                    statement(0, execute, 55, 75, 1),  # waited and was granted
                    statement(1, execute, 70, 71, 5),
                    statement(0, execute, 76, 76, 5, mode=Method.FETCH),
                ],
                (TracedFile(0, 0, "/a/app.db"),),
                sql,
            )
        )
    )
    assert analysis.source.inferred
    names = [analysis.source.resources[int(row["resource"])].title for row in analysis.holds]
    assert names == ["app.db RESERVED"] * 3
    ends = [WaitEnd(int(end)) for end in analysis.waits["end"]]
    assert ends == [WaitEnd.TIMED_OUT, WaitEnd.GRANTED]
    assert [blocker.pid for wait in range(2) for blocker in analysis.blockers(wait)] == [100, 200]


def test_a_statement_that_fails_at_once_was_refused() -> None:
    rows = [
        statement(0, Method.EXECUTE, 1, 1, 1),
        statement(1, Method.EXECUTE, 2, 2, 1, error=5),
    ]
    analysis = analyse(interpret(trace(rows, (), ("INSERT INTO t VALUES (?)",))))
    assert [WaitEnd(int(end)) for end in analysis.waits["end"]] == [WaitEnd.REFUSED]


def test_a_rollback_to_a_savepoint_keeps_the_lock() -> None:
    sql = ("INSERT INTO t VALUES (?)", "ROLLBACK TO s", "COMMIT")
    rows = [statement(0, Method.EXECUTE, n, n, n) for n in (1, 2, 3)]
    source = interpret(trace([*rows, statement(0, Method.FETCH, 4, 4, 1)], (), sql))
    [hold] = analyse(source).holds
    assert hold["ended_ns"] == 3 * MS
    assert source.databases == ("database",)
