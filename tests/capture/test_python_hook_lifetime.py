"""The hook holds through threads, forks, other interpreters and the interpreter's end."""

import textwrap
from pathlib import Path

import pytest
from python_hook import Traced, contexts, notes, pythons

from lockscope.trace.kinds import Kind, Method


@pytest.fixture(params=pythons())
def traced(request: pytest.FixtureRequest, tmp_path: Path) -> Traced:
    return Traced(tmp_path, request.param)


def ran(traced: Traced, program: str, *flags: str) -> Path:
    path = traced.write(textwrap.dedent(program))
    run = traced.run(path, *flags)
    assert (run.returncode, run.stderr) == (0, "")
    return path


def test_threads_keep_their_statements_apart(traced: Traced) -> None:
    program = ran(
        traced,
        """\
        import sqlite3, threading
        first = sqlite3.connect("app.db")
        first.executescript("PRAGMA journal_mode=WAL; CREATE TABLE t(a, b)")
        def work(number):
            db = sqlite3.connect("app.db", timeout=60, isolation_level=None)
            for turn in range(50):
                db.execute("BEGIN IMMEDIATE")
                db.execute(f"INSERT INTO t VALUES ({number}, 't{number}') RETURNING a AS a{number}")
                db.commit()
            db.close()
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        first.close()
        """,
    )
    seen = [one for one in traced.statements() if one.sql.startswith("INSERT")]
    by_thread = {one.thread: one.sql for one in seen}
    assert sorted(by_thread.values()) == [
        f"INSERT INTO t VALUES (?, ?) RETURNING a AS a{number}" for number in range(4)
    ]
    assert all(by_thread[one.thread] == one.sql for one in seen)
    assert len(seen) == 200
    (segment,) = traced.segments()
    locks = segment.records[segment.records["kind"] == Kind.LOCK]
    assert len(locks) > 0
    assert 0 not in locks["context"]
    assert {one.file for one in seen} == {str(program)}


def test_a_forked_child_writes_its_own_texts(traced: Traced) -> None:
    program = ran(
        traced,
        """\
        import os, sqlite3
        def work(name):
            db = sqlite3.connect(name, isolation_level=None)
            db.execute("CREATE TABLE t(a)")  #create
            db.execute("INSERT INTO t VALUES (1)")  #insert
            try:
                db.execute("CREATE TABLE t(a)")  #again
            except sqlite3.Error:
                pass
        work("parent.db")
        child = os.fork()
        if child == 0:
            work("child.db")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """,
    )
    # At its end the parent's interpreter closes the connection, which no line of the program does.
    parent = [one for one in traced.statements(0) if one.line]
    child = traced.statements(1)
    assert [one.line for one in child] == [one.line for one in parent]
    assert [one.sql for one in child] == [one.sql for one in parent]
    assert [(one.error, one.message) for one in child] == [
        (one.error, one.message) for one in parent
    ]
    assert {one.file for one in child} == {str(program)}
    _, segment = traced.segments()
    locks = segment.records[segment.records["kind"] == Kind.LOCK]
    assert set(locks["context"]) <= set(contexts(segment))


def test_a_fork_inside_a_statement_leaves_no_number_of_the_parent(traced: Traced) -> None:
    ran(
        traced,
        """\
        import os, sqlite3
        for text in range(20):
            sqlite3.connect(":memory:").execute(f"SELECT 1 AS c{text}")
        db = sqlite3.connect(":memory:", isolation_level=None)
        def parameters():
            yield (os.fork(),)
        db.execute("CREATE TABLE forked(child)")
        db.executemany("INSERT INTO forked VALUES (?)", parameters())
        child, = db.execute("SELECT child FROM forked").fetchone()
        if child == 0:
            sqlite3.connect("child.db").execute("CREATE TABLE t(a)")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """,
    )
    _, child = traced.segments()
    known = contexts(child)
    used = child.records[child.records["kind"] != Kind.PROCESS]["context"]
    assert set(map(int, used)) - {0} <= set(known)
    assert any(sql == "CREATE TABLE t(a)" for sql, _ in known.values())


def test_children_of_multiprocessing(traced: Traced) -> None:
    ran(
        traced,
        """\
        import multiprocessing, sqlite3
        def work(name):
            sqlite3.connect(name).execute("CREATE TABLE t1(a)")
        if __name__ == "__main__":
            for method in ("spawn", "fork"):
                context = multiprocessing.get_context(method)
                process = context.Process(target=work, args=(method,))
                process.start()
                process.join()
                assert process.exitcode == 0
        """,
    )
    made = [traced.statements(which) for which in range(len(traced.segments()))]
    assert sum(any(one.sql == "CREATE TABLE t1(a)" for one in seen) for seen in made) == 2


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "os._exit(0)", "raise SystemExit"])
def test_the_end_with_open_cursors(traced: Traced, end: str) -> None:
    ran(
        traced,
        f"""\
        import atexit, os, sqlite3, sys
        db = sqlite3.connect("app.db")
        db.executescript("CREATE TABLE t(a); INSERT INTO t VALUES (1), (2)")
        cursor = db.execute("SELECT a FROM t")
        next(cursor)
        class Late:
            def __del__(self, db=db, cursor=cursor):
                cursor.fetchall()
                db.execute("SELECT 2")
                db.commit()
        late = Late()
        sys.late = late
        atexit.register(db.execute, "SELECT 'at exit' AS late")
        {end}
        """,
    )
    (segment,) = traced.segments()
    assert (segment.records["kind"] == Kind.EXIT).sum() == 1
    at_exit = [one.sql for one in traced.statements()].count("SELECT ? AS late")
    assert at_exit == (0 if "_exit" in end else 1)


def test_daemon_threads_at_the_end(traced: Traced) -> None:
    ran(
        traced,
        """\
        import sqlite3, threading
        started = threading.Barrier(5)
        def work(number):
            db = sqlite3.connect(f"{number}.db", isolation_level=None)
            db.execute("CREATE TABLE t(a)")
            started.wait()
            while True:
                db.execute("INSERT INTO t VALUES (1)")
                db.execute("SELECT * FROM t").fetchone()
        for number in range(4):
            threading.Thread(target=work, args=(number,), daemon=True).start()
        started.wait()
        """,
    )
    assert traced.statements()


def test_an_import_in_a_thread_while_the_main_one_waits(traced: Traced) -> None:
    ran(
        traced,
        """\
        import threading
        def work():
            import sqlite3
            db = sqlite3.connect("app.db")
            db.execute("CREATE TABLE t(a)")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        """,
    )
    assert "CREATE TABLE t(a)" in [one.sql for one in traced.statements()]


def test_whatever_a_thread_does_after_the_import_is_early_enough(traced: Traced) -> None:
    ran(
        traced,
        """\
        import threading
        def work():
            import sqlite3
            open("note.txt", "w").close()
            try:
                sqlite3.connect("/no/such/folder/app.db")
            except sqlite3.Error:
                pass
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        """,
    )
    assert [(one.method, one.error) for one in traced.statements()] == [(Method.CONNECT, 14)]


@pytest.mark.parametrize("late", [False, True])
def test_other_interpreters(traced: Traced, *, late: bool) -> None:
    program = traced.write(
        f"late = {late}"
        + textwrap.dedent("""
        import sqlite3
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        sqlite3.connect("main.db").execute("CREATE TABLE main(a)")
        inner = '''if True:
            import sqlite3
            db = sqlite3.connect("inner.db", isolation_level=None)
            db.execute("CREATE TABLE inner(a UNIQUE)")
            for turn in range(3):
                try:
                    db.execute("INSERT INTO inner VALUES (1)")
                except sqlite3.IntegrityError as error:
                    assert error.sqlite_errorcode == 2067
            assert [row for row in db.execute("SELECT a FROM inner")] == [(1,)]
            class Late:
                def __del__(self, db=db, Error=sqlite3.Error):
                    try:
                        db.execute("INSERT INTO inner VALUES (1)")
                    except Error:
                        pass
            late = Late() if LATE else None
        '''
        for turn in range(3):
            number = interpreters.create()
            code = inner.replace("inner.db", f"{turn}.db").replace("LATE", str(late))
            failed = interpreters.run_string(number, code)
            assert failed is None, failed
            interpreters.destroy(number)
        sqlite3.connect("main.db").execute("CREATE TABLE again(a)")
        """)
    )
    if traced.run(program, "-W", "ignore", traced=False).returncode:
        pytest.skip("this interpreter itself fails with sqlite3 in several interpreters")
    for made in traced.folder.glob("*.db"):
        made.unlink()
    run = traced.run(program, "-W", "ignore")
    assert (run.returncode, run.stderr) == (0, "")
    seen = traced.statements()
    names = [one.sql for one in seen if one.method is Method.EXECUTE]
    assert names.count("CREATE TABLE inner(a UNIQUE)") == 3
    assert names[0] == "CREATE TABLE main(a)"
    assert names[-1] == "CREATE TABLE again(a)"
    assert [one.error for one in seen].count(2067) >= 6
    assert all(one.message for one in seen if one.error)
    assert notes(traced.segments()[0]) == []


def test_a_driver_with_its_own_sqlite(tmp_path: Path) -> None:
    pytest.importorskip("pysqlite3")
    import sys

    traced = Traced(tmp_path, sys.executable)
    ran(
        traced,
        """\
        import pysqlite3, sqlite3
        for driver, name in ((pysqlite3, "own"), (sqlite3, "system")):
            db = driver.connect(name + ".db", timeout=0, isolation_level=None)
            db.execute(f"CREATE TABLE {name}(a UNIQUE)")
            with db:
                db.execute(f"INSERT INTO {name} VALUES (1)")
            assert [row for row in db.execute(f"SELECT a FROM {name}")] == [(1,)]
            try:
                db.execute(f"INSERT INTO {name} VALUES (1)")
            except driver.IntegrityError:
                pass
        """,
    )
    seen = [(one.method, one.sql, one.message) for one in traced.statements()]
    own, system = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert len(own) == 6
    assert [(one, sql.replace("own", "system")) for one, sql, _ in own] == [
        (one, sql) for one, sql, _ in system
    ]
    assert (own[-1][2], system[-1][2]) == (
        "UNIQUE constraint failed: own.a",
        "UNIQUE constraint failed: system.a",
    )
    (segment,) = traced.segments()
    locks = segment.records[segment.records["kind"] == Kind.LOCK]
    owners = {contexts(segment)[int(number)][0] for number in locks["context"] if number}
    assert "INSERT INTO own VALUES (?)" in owners


def test_sql_made_up_anew_each_time_fills_neither_memory_nor_disk(traced: Traced) -> None:
    ran(
        traced,
        """\
        import sqlite3
        db = sqlite3.connect(":memory:", cached_statements=0)
        for turn in range(40000):
            db.execute(f"SELECT 1 AS column_number_{turn}")
        """,
    )
    (segment,) = traced.segments()
    seen = traced.statements()
    assert len(seen) == 40001
    assert len(segment.text) < 3_000_000
    assert seen[1].sql == "SELECT ? AS column_number_0"
    assert seen[-1].sql == "(more different texts than are kept)"
    assert segment.lost == 0
