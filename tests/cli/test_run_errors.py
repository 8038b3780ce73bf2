"""What can be wrong with a run's command line or its database: one sentence each."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lab_runs import lockscope_run


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["petz"], "There is no workload 'petz': did you mean pets?"),
        (["nothing.like:This"], "there is no module 'nothing'"),
        (["own:Absent"], "has no class 'Absent'"),
        (["own:NOT_A_CLASS"], "has no class 'NOT_A_CLASS'"),
        (["own:Half"], "has no method work and no check"),
        (["own:BadKey"], "gives two records the key 'the same'"),
        (["--remedy", "textbok"], "There is no remedy 'textbok': did you mean textbook?"),
        (["--processes", "0"], "'0' is not a number of them"),
        (["--records", "many"], "'many' is not a number of them"),
        (["--hold", "-1"], "--hold"),
        (["--hold", "nan"], "'nan' is not a duration"),
        (["--timeout", "5 days"], "'5 days' is not a duration"),
        (["--db", ":memory:"], "belongs to one process alone"),
        (["--db", "oracle://here"], "is not an address lockscope knows"),
        (["--db", "sqlite://app.db"], "names no file"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(tmp_path: Path, words: list[str], sentence: str) -> None:
    run = lockscope_run(tmp_path, *words)
    assert (run.status, run.stdout) == (2, "")
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr
    assert not list((tmp_path / "lockscope-runs").glob("*"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--db", "postgresql://localhost/app"], "PostgreSQL servers are not supported yet"),
        (["--db", "mariadb://localhost/app"], "MariaDB servers are not supported yet"),
        (["--db", "."], "is a folder, not a database"),
        (["--db", "no/such/folder.db"], "is no folder"),
        (["--db", "own.py"], "is not an SQLite database; it was not touched"),
        (["-o", "own.py"], "is a file"),
        (["-o", "/dev/null/run"], "hoose another folder with -o"),
        (["-o", "."], "is not empty"),
        (["own:BadSetup"], 'failed in setup: OperationalError: near "TABEL": syntax error, at'),
        (["own:BadCheck"], "where a lockscope.lab.Row is needed"),
    ],
)
def test_what_cannot_be_run_is_told_in_a_sentence(
    tmp_path: Path, words: list[str], sentence: str
) -> None:
    run = lockscope_run(tmp_path, *words)
    assert (run.status, run.stdout) == (3, "")
    assert sentence in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_a_database_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE pets(id INTEGER PRIMARY KEY, name TEXT, breed TEXT)")
        database.execute("INSERT INTO pets VALUES (1, 'Rex', 'Dog')")
        database.commit()
    before = path.read_bytes()
    run = lockscope_run(tmp_path, "--db", "theirs.db", "-o", "out")
    assert run.status == 3
    assert "was not made by lockscope" in run.stderr
    assert path.read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_a_database_of_its_own_is_used_again_in_any_journal_mode(tmp_path: Path) -> None:
    for number, remedy in enumerate(("stock", "wal", "stock")):
        words = ("--db", "sqlite:///mine.db", "--remedy", remedy, "-o", f"out{number}", "--json")
        run = lockscope_run(tmp_path, *words)
        assert (run.status, run.document["committed"]) == (0, 6)
        assert run.document["database"] == str(tmp_path / "mine.db")
        assert [row["id"] for row in run.document["rows"]] == [1, 2, 3, 4, 5, 6]


def test_a_damaged_database_is_told_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    assert lockscope_run(tmp_path, "--db", "mine.db", "-o", "a").status == 0
    damaged = bytearray(path.read_bytes())
    damaged[100:200] = b"\xff" * 100
    path.write_bytes(damaged)
    run = lockscope_run(tmp_path, "--db", "mine.db", "-o", "b")
    assert run.status == 3
    assert "is damaged" in run.stderr


def test_a_database_that_somebody_holds_is_told_in_a_sentence(tmp_path: Path) -> None:
    assert lockscope_run(tmp_path, "--db", "mine.db", "-o", "a").status == 0
    with closing(sqlite3.connect(tmp_path / "mine.db", isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        run = lockscope_run(tmp_path, "--db", "mine.db", "-o", "b")
    assert run.status == 3
    assert "is locked by another program right now" in run.stderr
    assert not (tmp_path / "b").exists()
