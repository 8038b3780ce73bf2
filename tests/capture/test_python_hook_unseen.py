"""A program cannot tell that it is recorded: what it prints of itself is the same to the byte."""

import textwrap
from pathlib import Path

import pytest
from python_hook import Traced, pythons


@pytest.fixture(params=pythons())
def traced(request: pytest.FixtureRequest, tmp_path: Path) -> Traced:
    return Traced(tmp_path, request.param)


def same_output(traced: Traced, program: str, *flags: str) -> str:
    """What the program prints, which must be the same without and with the recorder."""
    path = traced.write(textwrap.dedent(program))
    bare = traced.run(path, *flags, traced=False)
    (traced.folder / "app.db").unlink(missing_ok=True)
    seen = traced.run(path, *flags)
    assert bare.returncode == 0, bare.stderr
    assert (seen.returncode, seen.stdout, seen.stderr) == (0, bare.stdout, bare.stderr)
    assert traced.statements(), "it was not recorded at all"
    return bare.stdout


def test_types_and_methods(traced: Traced) -> None:
    same_output(
        traced,
        """\
        import sqlite3, inspect
        for kind in (sqlite3.Connection, sqlite3.Cursor, sqlite3.Row, sqlite3.Blob):
            print(kind, type(kind), kind.__mro__, kind.__module__, kind.__doc__)
            for name, value in sorted(vars(kind).items()):
                signature = getattr(value, "__text_signature__", None)
                print(name, type(value).__name__, signature, value.__doc__)
        print(sqlite3.connect.__module__, type(sqlite3.connect), sqlite3.connect.__self__.__name__)
        db = sqlite3.connect(":memory:")
        print(type(db.execute), db.execute.__qualname__, db.execute == db.execute)
        print(inspect.getmodule(db.execute), sqlite3.Cursor.__next__.__name__)
        """,
    )


def test_modules_paths_and_environment(traced: Traced) -> None:
    printed = same_output(
        traced,
        """\
        import sqlite3, sys, os, threading, gc
        sqlite3.connect(":memory:").execute("SELECT 1")
        print(sorted(sys.modules), sys.path, sys.argv, sys.flags)
        print(len(sys.meta_path), len(sys.path_hooks), sys.gettrace(), sys.getprofile())
        print(sorted(os.environ.keys() - {"LD_PRELOAD", "LOCKSCOPE_TRACE"}))
        print(len(threading.enumerate()), os.listdir("/proc/self/fd"))
        print("lockscope" in str(sys.modules))
        """,
        "-I",
    )
    assert printed.endswith("False\n")


def test_tracebacks_and_contexts_of_exceptions(traced: Traced) -> None:
    printed = same_output(
        traced,
        """\
        import sqlite3, sys, traceback
        def show(error):
            traceback.print_exception(error)
            while error is not None:
                frames = []
                walk = error.__traceback__
                while walk is not None:
                    frames.append((walk.tb_frame.f_code.co_name, walk.tb_lineno, walk.tb_lasti))
                    walk = walk.tb_next
                print(type(error), error.args, sorted(vars(error).items()), frames, error.__cause__,
                      error.__suppress_context__)
                error = error.__context__
        def attempt(call, *arguments):
            try:
                call(*arguments)
            except Exception as error:
                show(error)
                print(sys.getrefcount(error), sys.getrefcount(error.__traceback__))
        db = sqlite3.connect(":memory:")
        db.execute("CREATE TABLE t(a UNIQUE)")
        attempt(db.execute, "SELEC 'x'")
        attempt(db.execute, "SELECT ?", ())
        attempt(db.executemany, "INSERT INTO t VALUES (?)", [(1,), (1,)])
        def explode(value):
            raise KeyError(value)
        db.create_function("explode", 1, explode)
        attempt(db.execute, "SELECT explode(1)")
        def within():
            try:
                raise ValueError("first")
            except ValueError:
                db.execute("SELECT nothing")
        attempt(within)
        def late():
            yield (2,)
            raise StopAsyncIteration
        attempt(db.executemany, "INSERT INTO t VALUES (?)", late())
        attempt(next, db.execute("SELECT 1 WHERE 0"))
        attempt(db.execute)
        attempt(db.execute, b"SELECT 1")
        attempt(db.cursor().execute, "SELECT 1", (), 3)
        attempt(sqlite3.Cursor.execute, None, "SELECT 1")
        attempt(sqlite3.connect)
        db.close()
        attempt(db.commit)
        """,
    )
    assert "During handling of the above exception" not in printed


def test_reference_counts(traced: Traced) -> None:
    same_output(
        traced,
        """\
        import gc, sqlite3, sys
        db = sqlite3.connect(":memory:", isolation_level=None)
        cursor = db.cursor()
        sql, parameters, many = "SELECT ? /* {} */".format(id), (object.__name__ * 2,), [(1,), (2,)]
        db.execute("CREATE TABLE t(a)")
        insert = "".join(["INSERT INTO t ", "VALUES (?)"])
        def counts():
            watched = (sql, parameters, many, insert, db, cursor, sqlite3.Error, sqlite3.Cursor,
                       sys._getframe(1).f_code)
            return [sys.getrefcount(one) for one in watched]
        gc.disable()
        before = None
        for turn in range(2000):
            cursor.execute(sql, parameters).fetchall()
            cursor.executemany(insert, many)
            for row in cursor.execute("SELECT a FROM t LIMIT 3"):
                pass
            try:
                cursor.execute("INSERT INTO nowhere VALUES (1)")
            except sqlite3.Error as error:
                pass
            if turn == 10:
                before, objects = counts(), len(gc.get_objects())
        print([now - then for now, then in zip(counts(), before)], len(gc.get_objects()) - objects)
        """,
    )


def test_the_programs_own_hooks(traced: Traced) -> None:
    printed = same_output(
        traced,
        """\
        import sys
        events = []
        watch = True
        def hook(event, arguments):
            if watch and event.startswith(("sqlite3", "sys.", "ctypes", "open")):
                events.append((event, len(arguments)))
        sys.addaudithook(hook)
        import sqlite3
        calls = []
        def profile(frame, event, argument):
            if watch:
                calls.append((event, frame.f_code.co_name, getattr(argument, "__qualname__", None)))
        db = sqlite3.connect("app.db", isolation_level=None)
        statements = []
        db.set_trace_callback(statements.append)
        db.set_progress_handler(lambda: None, 1)
        db.set_authorizer(lambda *arguments: sqlite3.SQLITE_OK)
        sys.setprofile(profile)
        db.execute("CREATE TABLE IF NOT EXISTS t(a)")
        for row in db.execute("SELECT * FROM t WHERE a = ?", ("x",)):
            pass
        with db:
            db.cursor().execute("INSERT INTO t VALUES (1)").close()
        db.executescript("DELETE FROM t")
        sys.setprofile(None)
        watch = False
        print(events, calls, statements, sep="\\n")
        """,
    )
    assert "DELETE FROM t" in printed
    assert "sqlite3.connect" in printed


def test_factories_and_subclasses(traced: Traced) -> None:
    same_output(
        traced,
        """\
        import sqlite3, sys
        class Cursor(sqlite3.Cursor):
            def execute(self, sql, *arguments):
                print("execute", sql, sys._getframe(1).f_code.co_name)
                return super().execute(sql + " /* ours */", *arguments)
            def __next__(self):
                return ["mine", *super().__next__()]
        class Plain(sqlite3.Cursor):
            pass
        class Connection(sqlite3.Connection):
            def cursor(self, factory=Cursor):
                return super().cursor(factory)
            def execute(self, *arguments):
                print("connection", arguments)
                return super().execute(*arguments)
            def commit(self):
                print("commit")
                return super().commit()
        db = sqlite3.connect(":memory:", factory=Connection)
        db.row_factory = sqlite3.Row
        db.execute("CREATE TABLE t(a)")
        db.cursor().execute("INSERT INTO t VALUES (?)", (1,))
        for kind in (Cursor, Plain, sqlite3.Cursor):
            cursor = db.cursor(kind)
            cursor.row_factory = None
            sqlite3.Cursor.execute(cursor, "SELECT a FROM t")
            print([row for row in cursor])
            print(kind.__next__(sqlite3.Cursor.execute(cursor, "SELECT 2")))
        with db:
            print(tuple(db.execute("SELECT a FROM t").fetchone()))
        """,
    )


def test_sitecustomize_and_usercustomize_run_as_before(traced: Traced) -> None:
    traced.write(
        "import sqlite3\nprint('site', sqlite3.connect(':memory:'))\n", "p/sitecustomize.py"
    )
    path = traced.write("import sqlite3\nsqlite3.connect('app.db').execute('SELECT 1')\n")
    bare = traced.run(path, traced=False, environment={"PYTHONPATH": "p"})
    seen = traced.run(path, environment={"PYTHONPATH": "p"})
    assert bare.stdout.partition(" at ")[0] == seen.stdout.partition(" at ")[0]
    assert "site" in bare.stdout
    # A close that took long on a busy machine is told too, but no line made it.
    assert [Path(one.file).name for one in traced.statements() if one.file] == [
        "sitecustomize.py",
        "program.py",
        "program.py",
    ]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_the_interpreters_own_tests_of_sqlite_pass(traced: Traced) -> None:
    program = traced.write(
        "import sys, unittest\nunittest.main('test.test_sqlite3', argv=['', '-q'])\n"
    )
    bare = traced.run(program, traced=False)
    if bare.returncode:
        pytest.skip("they are not installed, or fail by themselves")
    seen = traced.run(program)
    assert seen.returncode == 0, seen.stderr
    assert len(traced.statements()) > 1000
