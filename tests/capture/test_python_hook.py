"""Each call into the driver is recorded with its statement and the line that made it."""

import textwrap
from pathlib import Path

import pytest
from python_hook import Traced, contexts, file_names, notes, pythons

from lockscope.trace.kinds import Kind, Method


@pytest.fixture(params=pythons())
def traced(request: pytest.FixtureRequest, tmp_path: Path) -> Traced:
    return Traced(tmp_path, request.param)


EVERY_CALL = """\
import sqlite3
db = sqlite3.connect("app.db", isolation_level=None)  #connect
db.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")  #create
cursor = db.cursor()
cursor.execute("INSERT INTO t(b) VALUES ('x')")  #insert
cursor.executemany("INSERT INTO t(b) VALUES (?)", [("y",), ("z",)])  #many
db.executemany("INSERT INTO t(b) VALUES (?)", [("y",)])  #direct-many
db.executescript("BEGIN; DELETE FROM t WHERE a = 3; COMMIT;")  #script
cursor.executescript("SELECT 1")  #cursor-script
db.execute("BEGIN IMMEDIATE")  #begin
db.commit()  #commit
db.execute("BEGIN")  #begin-again
db.rollback()  #rollback
with db:
    db.execute(  #in-block
        "UPDATE t SET b = 'w'"
    )
try:
    with db:  #left-by-error
        raise LookupError
except LookupError:
    pass
with sqlite3.connect("copy.db") as copy:  #copy
    db.backup(copy)  #backup
db.close()  #close
"""


def test_each_call_is_tied_to_its_statement_and_line(traced: Traced) -> None:
    program = traced.write(EVERY_CALL)
    line = traced.lines(program)
    run = traced.run(program)
    assert (run.returncode, run.stderr) == (0, "")
    seen = traced.statements()
    assert {one.file for one in seen} == {str(program)}
    assert {one.error for one in seen} == {0}
    assert [(one.method, one.sql, one.line) for one in seen] == [
        (Method.CONNECT, "connect()", line["connect"]),
        (Method.EXECUTE, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)", line["create"]),
        (Method.EXECUTE, "INSERT INTO t(b) VALUES (?)", line["insert"]),
        (Method.EXECUTEMANY, "INSERT INTO t(b) VALUES (?)", line["many"]),
        (Method.EXECUTEMANY, "INSERT INTO t(b) VALUES (?)", line["direct-many"]),
        (Method.EXECUTESCRIPT, "BEGIN; DELETE FROM t WHERE a = ?; COMMIT", line["script"]),
        (Method.EXECUTESCRIPT, "SELECT ?", line["cursor-script"]),
        (Method.EXECUTE, "BEGIN IMMEDIATE", line["begin"]),
        (Method.COMMIT, "COMMIT", line["commit"]),
        (Method.EXECUTE, "BEGIN", line["begin-again"]),
        (Method.ROLLBACK, "ROLLBACK", line["rollback"]),
        (Method.EXECUTE, "UPDATE t SET b = ?", line["in-block"]),
        (Method.COMMIT, "COMMIT", line["in-block"] - 1),
        (Method.COMMIT, "ROLLBACK", line["left-by-error"]),
        (Method.CONNECT, "connect()", line["copy"]),
        (Method.BACKUP, "backup()", line["backup"]),
        (Method.COMMIT, "COMMIT", line["copy"]),
        (Method.CLOSE_CONNECTION, "close()", line["close"]),
    ]
    assert notes(traced.segments()[0]) == []


def test_calls_of_one_connection_carry_one_identity(traced: Traced) -> None:
    program = traced.write(
        textwrap.dedent("""\
        import sqlite3
        one, two = sqlite3.connect("app.db"), sqlite3.connect("app.db")
        cursor = two.cursor()
        one.execute("SELECT 1")
        cursor.execute("SELECT 2")
        two.commit()
        """)
    )
    assert traced.run(program).returncode == 0
    one, two, first, second, commit = [seen.connection for seen in traced.statements()]
    assert 0 not in (one, two)
    assert (first, second, commit) == (one, two, two)
    assert one != two


def test_every_lock_call_carries_the_statement_that_made_it(traced: Traced) -> None:
    program = traced.write(
        textwrap.dedent("""\
        import sqlite3
        db = sqlite3.connect("app.db", isolation_level=None)
        db.execute("CREATE TABLE t(a)")  #create
        db.execute("BEGIN IMMEDIATE")  #begin
        db.execute("INSERT INTO t VALUES (1)")  #insert
        db.commit()  #commit
        for row in db.execute("SELECT * FROM t"):  #select
            pass
        """)
    )
    assert traced.run(program).returncode == 0
    line = traced.lines(program)
    (segment,) = traced.segments()
    known = contexts(segment)
    locks = segment.records[segment.records["kind"] == Kind.LOCK]
    assert len(locks) > 0
    assert 0 not in locks["context"]
    owners = dict.fromkeys(known[int(number)] for number in locks["context"])
    assert list(owners) == [
        (sql, f"{program}:{line[name]}")
        for sql, name in (
            ("CREATE TABLE t(a)", "create"),
            ("BEGIN IMMEDIATE", "begin"),
            ("COMMIT", "commit"),
            ("SELECT * FROM t", "select"),
        )
    ]


def test_the_release_at_the_end_of_an_iteration_belongs_to_the_select(traced: Traced) -> None:
    program = traced.write(
        textwrap.dedent("""\
        import sqlite3
        db = sqlite3.connect("app.db", isolation_level=None)
        db.executescript("CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3);")
        def read(how):
            cursor = db.execute("SELECT a FROM t")  #select
            print(how(cursor))
        read(lambda cursor: [row for row in cursor])
        read(lambda cursor: cursor.fetchall())
        read(lambda cursor: [cursor.fetchone(), cursor.fetchmany(9)])
        read(lambda cursor: [next(cursor), cursor.close()])
        """)
    )
    run = traced.run(program)
    assert run.returncode == 0, run.stderr
    (segment,) = traced.segments()
    source = f"{program}:{traced.lines(program)['select']}"
    (number,) = [
        n for n, known in contexts(segment).items() if known == ("SELECT a FROM t", source)
    ]
    locks = segment.records[segment.records["kind"] == Kind.LOCK]
    unlocks = locks[(locks["mode"] == 0) & (locks["length"] == 0) & (locks["start"] == 0)]
    assert list(unlocks["context"][-4:]) == [number] * 4


def test_the_line_is_the_programs_own_behind_an_installed_package(traced: Traced) -> None:
    traced.write(
        "def store(db):\n    db.execute('CREATE TABLE t(a)')\n", "site-packages/mapper/__init__.py"
    )
    program = traced.write(
        textwrap.dedent("""\
        import sys
        sys.path.insert(0, "site-packages")
        import sqlite3, mapper
        from concurrent.futures import ThreadPoolExecutor
        db = sqlite3.connect("app.db", check_same_thread=False)
        mapper.store(db)  #store
        with ThreadPoolExecutor(1) as pool:
            pool.submit(mapper.store, db).exception()
        """)
    )
    assert traced.run(program).returncode == 0
    stored, alone = [one for one in traced.statements() if one.sql == "CREATE TABLE t(a)"]
    assert (stored.file, stored.line) == (str(program), traced.lines(program)["store"])
    # No frame of the program in that thread: the package's own line is the nearest there is.
    assert (Path(alone.file).name, alone.line, alone.error) == ("__init__.py", 2, 1)
    assert "site-packages/mapper" in alone.file


@pytest.mark.parametrize(
    ("name", "own"),
    [("<mapper generated store>", False), ("<decorator-gen-7>", False), ("<string>", True)],
)
def test_code_that_a_library_generated_is_not_the_programs_own(
    traced: Traced, name: str, *, own: bool
) -> None:
    program = traced.write(
        textwrap.dedent(f"""\
        import sqlite3
        db = sqlite3.connect("app.db")
        code = "def store(db):\\n    db.execute('CREATE TABLE t(a)')"
        made = {{}}
        exec(compile(code, "{name}", "exec"), made)
        made["store"](db)  #store
        """)
    )
    assert traced.run(program).returncode == 0
    [stored] = [one for one in traced.statements() if one.sql == "CREATE TABLE t(a)"]
    place = (name, 2) if own else (str(program), traced.lines(program)["store"])
    assert (stored.file, stored.line) == place


@pytest.mark.parametrize("flags", [(), ("-I", "-S", "-E"), ("-X", "importtime"), ("-O", "-B")])
def test_the_first_connect_is_already_observed(traced: Traced, flags: tuple[str, ...]) -> None:
    program = traced.write(
        textwrap.dedent("""\
        import sqlite3
        sqlite3.connect("/no/such/folder/app.db")  #connect
        """)
    )
    run = traced.run(program, *flags)
    assert "unable to open database file" in run.stderr
    (seen,) = traced.statements()
    assert (seen.method, seen.error, seen.line) == (Method.CONNECT, 14, 2)
    assert seen.message == "unable to open database file"


def test_what_runs_inside_a_statement_is_told_apart_from_it(traced: Traced) -> None:
    program = traced.write(
        textwrap.dedent("""\
        import sqlite3
        db = sqlite3.connect("app.db", isolation_level=None)
        other = sqlite3.connect("other.db", isolation_level=None)
        def store(value):
            other.execute("CREATE TABLE IF NOT EXISTS s(a)")  #inner
            return value
        db.create_function("store", 1, store)
        db.execute("CREATE TABLE t AS SELECT store(1) AS a")  #outer
        """)
    )
    assert traced.run(program).returncode == 0
    line = traced.lines(program)
    (segment,) = traced.segments()
    known = contexts(segment)
    names = file_names(segment)
    locks = segment.records[segment.records["kind"] == Kind.LOCK]
    owners = {
        (names[int(lock["file"])], int(known[int(lock["context"])][1].rpartition(":")[2]))
        for lock in locks
    }
    assert owners == {("app.db", line["outer"]), ("other.db", line["inner"])}


@pytest.mark.parametrize("program", ["print('hello')", "import sqlite3; print('hello')"])
def test_a_program_without_a_database_leaves_nothing(traced: Traced, program: str) -> None:
    assert traced.run(traced.write(program + "\n")).stdout == "hello\n"
    assert list(traced.segments()) == []
