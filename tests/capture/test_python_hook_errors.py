"""Each error of the driver is recorded with its code and its message, without the values in it."""

import textwrap
from pathlib import Path

import pytest
from python_hook import Statement, Traced, pythons

from lockscope.trace.kinds import ERROR_WITHOUT_CODE, Method


@pytest.fixture(params=pythons())
def traced(request: pytest.FixtureRequest, tmp_path: Path) -> Traced:
    return Traced(tmp_path, request.param)


SETTING = """\
import sqlite3
def connect():
    db = sqlite3.connect("app.db", timeout=0, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    return db
def attempt(call, *arguments):
    try:
        call(*arguments)
    except Exception as error:
        print(type(error).__name__, getattr(error, "sqlite_errorcode", None), error)
one, two = connect(), connect()
one.executescript('''
    CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE);
    INSERT INTO t VALUES (1, 'taken');
    CREATE TRIGGER secret BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'not for Alice'); END;
''')
"""


def failures(traced: Traced, program: str, *, literals: str = "") -> list[Statement]:
    path = traced.write(SETTING + textwrap.dedent(program))
    run = traced.run(path, environment={"LOCKSCOPE_LITERALS": literals})
    assert (run.returncode, run.stderr) == (0, "")
    return [one for one in traced.statements() if one.error]


def test_busy(traced: Traced) -> None:
    (seen,) = failures(
        traced,
        """\
        one.execute("BEGIN IMMEDIATE")
        attempt(two.execute, "BEGIN IMMEDIATE")
        """,
    )
    assert (seen.error, seen.message) == (5, "database is locked")


def test_busy_snapshot(traced: Traced) -> None:
    (seen,) = failures(
        traced,
        """\
        one.execute("BEGIN")
        one.execute("SELECT * FROM t").fetchall()
        two.execute("INSERT INTO t VALUES (2, 'newer')")
        attempt(one.execute, "INSERT INTO t VALUES (3, 'late')")
        """,
    )
    assert (seen.error, seen.message, seen.sql) == (
        517,
        "database is locked",
        "INSERT INTO t VALUES (?, ?)",
    )


def test_constraint(traced: Traced) -> None:
    (seen,) = failures(traced, """attempt(one.execute, "INSERT INTO t VALUES (9, 'taken')")""")
    assert (seen.error, seen.message) == (2067, "UNIQUE constraint failed: t.b")


def test_commit_that_is_refused(traced: Traced) -> None:
    (seen,) = failures(
        traced,
        """\
        one.executescript('''
            PRAGMA foreign_keys=ON;
            CREATE TABLE child(p REFERENCES t DEFERRABLE INITIALLY DEFERRED)
        ''')
        def block():
            with one:
                one.execute("BEGIN")
                one.execute("INSERT INTO child VALUES (99)")
        attempt(block)
        """,
    )
    assert (seen.method, seen.sql, seen.error) == (Method.COMMIT, "COMMIT", 787)


def test_failed_fetch_names_the_line_that_fetched(traced: Traced) -> None:
    (seen,) = failures(
        traced,
        """\
        one.execute("INSERT INTO t VALUES (5, 'five')")
        cursor = one.execute("SELECT abs(CASE a WHEN 5 THEN 1 << 63 ELSE 0 END) FROM t")
        def each():
            for row in cursor:  #fetch
                pass
        attempt(each)
        """,
    )
    program = traced.folder / "program.py"
    assert (seen.method, seen.error, seen.message) == (Method.FETCH, 1, "integer overflow")
    assert seen.line == traced.lines(program)["fetch"]
    assert seen.sql.startswith("SELECT abs(CASE a WHEN ?")


def test_failed_fetch_of_an_overriding_cursor_is_recorded_once(traced: Traced) -> None:
    (seen,) = failures(
        traced,
        """\
        class Own(sqlite3.Cursor):
            def __next__(self):
                return super().__next__()
        one.execute("INSERT INTO t VALUES (5, 'five')")
        cursor = one.cursor(Own)
        cursor.execute("SELECT abs(CASE a WHEN 5 THEN 1 << 63 ELSE 0 END) FROM t")
        attempt(list, cursor)
        """,
    )
    assert (seen.method, seen.error, seen.message) == (Method.FETCH, 1, "integer overflow")


def test_errors_without_a_code(traced: Traced) -> None:
    bindings = (
        "Incorrect number of bindings supplied. "
        "The current statement uses ?, and there are ? supplied."
    )
    seen = failures(
        traced,
        """\
        one.close()
        attempt(one.execute, "SELECT 1")
        attempt(two.execute, "SELECT ?", ())
        """,
    )
    assert [(one.error, one.message) for one in seen] == [
        (ERROR_WITHOUT_CODE, "Cannot operate on a closed database."),
        (ERROR_WITHOUT_CODE, bindings),
    ]


def test_an_error_is_recorded_once(traced: Traced) -> None:
    seen = failures(
        traced,
        """\
        def block():
            with one:
                one.execute("INSERT INTO t VALUES (9, 'taken')")
        attempt(block)
        """,
    )
    assert [one.error for one in seen] == [2067]


def test_errors_that_are_not_the_drivers_are_none(traced: Traced) -> None:
    seen = failures(
        traced,
        """\
        attempt(one.execute, 5)
        attempt(one.execute)
        attempt(one.execute, "SELECT '\\ud800'")
        def parameters():
            yield (21, "x")
            raise KeyError("mine")
        attempt(one.executemany, "INSERT INTO t VALUES (?, ?)", parameters())
        """,
    )
    assert seen == []


def test_the_programs_own_subclass_runs_no_code_of_its_own(traced: Traced) -> None:
    (seen,) = failures(
        traced,
        """\
        class Own(sqlite3.OperationalError):
            def __str__(self):
                print("asked")
                return "mine"
            args = sqlite_errorcode = property(__str__)
        def parameters():
            raise Own("Alice")
            yield
        try:
            one.executemany("INSERT INTO t VALUES (?, ?)", parameters())
        except Own as error:
            print("caught")
        """,
    )
    assert (seen.error, seen.message) == (ERROR_WITHOUT_CODE, "")


SECRETS = """\
attempt(one.execute, "DELETE FROM t")
attempt(one.execute, "SELECT * FROM t WHERE b = 'Alice's'")
attempt(one.execute, 'SELECT 1 "Alice Smith" 2')
attempt(one.execute, "SELECT 'Alice")
attempt(one.execute, "INSERT INTO t VALUES (4711, 'Alice') -- Alice", (1,))
one.execute("SELECT /* Alice */ 4711, X'A11CE47110', 'O''Alice'")
"""


def test_values_stay_out_of_the_trace(traced: Traced) -> None:
    failures(traced, SECRETS)
    kept = [line for line in traced.text().splitlines() if "/" not in line]
    assert not [line for line in kept if "Alice" in line or "4711" in line or "not for" in line]


def test_values_are_kept_when_asked_for(traced: Traced) -> None:
    seen = failures(traced, SECRETS, literals="1")
    assert (seen[0].error, seen[0].message) == (1811, "not for Alice")
    assert "SELECT 4711, X'A11CE47110', 'O''Alice'" in traced.text()
