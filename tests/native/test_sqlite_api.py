"""Statements of programs in any language, where their SQLite is a shared library."""

import subprocess
import sys
from pathlib import Path

import pytest
from recorded import Ran, Recorded, run

from lockscope.trace.kinds import Kind

pytest_plugins = ["recorder_built"]

BUSY, LOCKED = 5, 6


@pytest.fixture(scope="session")
def connections(built: Path) -> Path:
    from recorder_built import compile_c  # once pytest has taken it in as a plugin

    source = Path(__file__).parent / "sqlite_programs/connections.c"
    return compile_c(built / "connections", [source], "-lsqlite3")


@pytest.fixture
def traced(connections: Path, library: Path, tmp_path: Path) -> "Traced":
    return Traced(connections, library, tmp_path)


class Traced:
    def __init__(self, program: Path, library: Path, folder: Path) -> None:
        self._program, self._library, self._folder = program, library, folder

    def __call__(self, scene: str, **variables: str) -> Ran:
        """Traced and untraced, which must print the same."""
        untraced = subprocess.run(
            [self._program, scene, self._folder / "u.db"],
            capture_output=True,
            text=True,
            check=True,
        )
        command: list[str | Path] = [self._program, scene, self._folder / "a.db"]
        ran = run(command, self._library, self._folder / "trace", status=0, **variables)
        assert ran.stdout == untraced.stdout
        return ran


def contexts(segment: Recorded) -> dict[int, str]:
    return {int(r["context"]): segment.text(r["length"]) for r in segment.of(Kind.CONTEXT)}


def failures(segment: Recorded) -> list[tuple[int, str, str]]:
    """(code, statement, message) of each statement that failed."""
    sql = contexts(segment)
    return [
        (int(r["error"]), sql[int(r["context"])], segment.text(r["length"]))
        for r in segment.of(Kind.STATEMENT)
        if r["error"]
    ]


def test_a_refusal_inside_one_process_is_told_though_no_lock_call_was_denied(
    traced: Traced,
) -> None:
    segment = traced("refused").only
    assert failures(segment) == [(BUSY, "INSERT INTO pets VALUES (?), ...", "database is locked")]
    denied = [r for r in segment.of(Kind.LOCK) if r["error"]]
    assert denied == []


def test_a_wait_inside_one_process_shows_its_sleeps_and_its_statement(traced: Traced) -> None:
    segment = traced("waits").only
    asked = [int(r["start"]) for r in segment.of(Kind.SLEEP)]
    assert asked[:4] == [1_000_000, 2_000_000, 5_000_000, 10_000_000]
    (statement,) = [r for r in segment.of(Kind.STATEMENT) if r["error"]]
    for sleep in segment.of(Kind.SLEEP):
        assert sleep["context"] == statement["context"]
        assert statement["began_ns"] <= sleep["began_ns"]


def test_each_connection_has_an_identity(traced: Traced) -> None:
    segment = traced("refused").only
    sql = contexts(segment)
    told = {
        sql[int(r["context"])]: int(r["start"])
        for r in segment.of(Kind.STATEMENT)
        if not r["error"] or r["error"] == BUSY
    }
    begin, commit = told["BEGIN IMMEDIATE"], told["COMMIT"]
    (refused,) = [int(r["start"]) for r in segment.of(Kind.STATEMENT) if r["error"]]
    assert begin == commit != refused


def test_a_table_that_is_locked_by_its_own_connection(traced: Traced) -> None:
    (failure,) = failures(traced("locked").only)
    assert failure == (LOCKED, "DROP TABLE pets", "database table is locked")


def test_statements_of_one_shape_are_one_text_and_no_value_is_kept(traced: Traced) -> None:
    segment = traced("shapes").only
    texts = list(contexts(segment).values())
    assert texts.count("INSERT INTO pets VALUES (?)") == 1
    assert "DELETE FROM pets" in texts
    (trigger,) = [text for text in texts if text.startswith("CREATE TRIGGER")]
    assert trigger.endswith("END")
    assert b"it's" not in segment.texts


def test_literals_are_kept_where_they_were_asked_for(traced: Traced) -> None:
    texts = list(contexts(traced("shapes", LOCKSCOPE_LITERALS="1").only).values())
    assert "INSERT INTO pets VALUES ('it''s 7; no')" in texts
    assert len([text for text in texts if text.startswith("INSERT")]) == 50


def test_every_lock_of_a_c_program_carries_its_statement(traced: Traced) -> None:
    segment = traced("refused").only
    assert all(r["context"] != 0 for r in segment.of(Kind.LOCK))


TWO_LIBRARIES = """
import sqlite3, sys
import pysqlite3
folder = sys.argv[1]
for module, name in ((sqlite3, "a"), (pysqlite3, "b"), (sqlite3, "c"), (pysqlite3, "d")):
    connection = module.connect(f"{folder}/{name}.db")
    connection.execute("CREATE TABLE t(x)")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.commit()
    print(connection.execute("SELECT sqlite_version(), x FROM t").fetchone(), module.sqlite_version)
    try:
        connection.execute("SELECT nothing")
    except module.OperationalError as error:
        print(error)
    connection.close()
"""


def test_each_of_two_sqlites_in_one_process_is_given_its_own(library: Path, tmp_path: Path) -> None:
    """pysqlite3 exports the SQLite that it brings, so that its calls come to us first."""
    pytest.importorskip("pysqlite3")
    outputs = []
    for name, preload in (("untraced", ""), ("traced", str(library))):
        (tmp_path / name).mkdir()
        command = [sys.executable, "-c", TWO_LIBRARIES, str(tmp_path / name)]
        if preload:
            outputs.append(run(command, library, tmp_path / "trace").stdout)
        else:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0].splitlines())) == 3
