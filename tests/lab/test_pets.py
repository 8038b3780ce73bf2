"""The pets experiment under every remedy: what arrives, what does not, and who is blamed."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from lab_runs import lockscope_run
from lockscope.lab.pets import Pets
from lockscope.remedies import REMEDIES

SIX = {
    ("Ace", "Dog", "P1"),
    ("Buddy", "Dog", "P1"),
    ("Cooper", "Rabbit", "P2"),
    ("Dingo", "Dog", "P2"),
    ("Emma", "Rabbit", "P3"),
    ("Felix", "Cat", "P3"),
}


@pytest.mark.parametrize("remedy", [remedy.name for remedy in REMEDIES])
def test_without_a_hold_all_six_arrive(tmp_path: Path, remedy: str) -> None:
    run = lockscope_run(tmp_path, "--json", "-o", "out", "--remedy", remedy)
    document = run.document
    assert (run.status, document["clean"], document["notes"]) == (0, True, [])
    rows = document["rows"]
    assert {(row["name"], row["breed"], row["worker"]) for row in rows} == SIX
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5, 6]
    with closing(sqlite3.connect(tmp_path / "out" / "pets.db")) as database:
        mode = database.execute("PRAGMA journal_mode").fetchone()[0]
        stored = database.execute("SELECT name FROM pets ORDER BY id").fetchall()
    assert mode == ("wal" if remedy in {"wal", "textbook"} else "delete")
    assert [name for (name,) in stored] == [row["name"] for row in rows]


@pytest.mark.parametrize("remedy", ["stock", "wal", "immediate"])
def test_a_hold_beyond_the_timeout_loses_pets_and_names_the_holder(
    tmp_path: Path, remedy: str
) -> None:
    run = lockscope_run(
        tmp_path, "--hold", "600ms", "--timeout", "200ms", "--json", "--remedy", remedy
    )
    document = run.document
    assert run.status == 1
    assert document["failed"] >= 1
    assert document["committed"] + document["failed"] == 6
    assert (document["lost"], document["unknown"]) == (0, 0)
    failed = [attempt for attempt in document["attempts"] if attempt["outcome"] == "failed"]
    workers = {attempt["pid"]: attempt["worker"] for attempt in document["attempts"]}
    for attempt in failed:
        assert (attempt["error"], attempt["code"]) == ("database is locked", 5)
        assert 0 < attempt["waited_s"] <= attempt["seconds"]
        blocker = attempt["blockers"][0]
        assert blocker["worker"] == workers[blocker["pid"]] != attempt["worker"]
        assert blocker["seconds"] <= attempt["waited_s"]
        assert blocker["mode"] == "exclusive"
        assert blocker["source"]
        assert blocker["statement"].startswith(
            "BEGIN IMMEDIATE" if remedy == "immediate" else "INSERT INTO pets"
        )
    assert sorted(document["missing"]) == sorted(attempt["record"] for attempt in failed)
    assert document["findings"]


@pytest.mark.parametrize("remedy", ["timeout", "short", "textbook"])
def test_what_outlasts_or_shortens_the_holds_loses_nothing(tmp_path: Path, remedy: str) -> None:
    # Shorter than one hold, and yet far longer than a loaded machine needs for a commit.
    hold, timeout = ("1500ms", "1400ms") if remedy == "short" else ("300ms", "50ms")
    run = lockscope_run(
        tmp_path, "--hold", hold, "--timeout", timeout, "--json", "--remedy", remedy
    )
    assert (run.status, run.document["committed"]) == (0, 6)


def test_the_answer_says_what_is_missing_and_who_held_the_lock(tmp_path: Path) -> None:
    run = lockscope_run(tmp_path, "--hold", "600ms", "--timeout", "200ms", "-o", "out")
    assert run.status == 1
    assert run.stderr == ""
    text = run.stdout
    assert "of 6 records were committed and are there" in text
    assert "database is locked (SQLite code 5), at pets.py:" in text
    assert "held pets.db RESERVED, exclusive" in text
    assert "under INSERT INTO pets(name, breed) VALUES (?, ?), at pets.py:" in text
    assert "lockscope run --hold 0.6 --remedy short" in text
    assert f"Kept in: {tmp_path / 'out'}\n" in text
    assert "\x1b" not in text
    # The kept one is laid out for another width, and otherwise the same.
    assert (tmp_path / "out" / "report.txt").read_text().split() == text.split()


@pytest.mark.parametrize("remedy", ["stock", "wal"])
def test_without_the_native_recorder_statements_tell_who_held_the_lock(
    tmp_path: Path, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A module that Python loads at its start hides the library, as where it was never compiled.
    (tmp_path / "sitecustomize.py").write_text(
        "from pathlib import Path\nimport lockscope.capture.preload as library\n"
        "library.LIBRARY = Path('/nonexistent')\n"
    )
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    words = ("--hold", "600ms", "--timeout", "200ms", "--json", "-o", "out", "--remedy", remedy)
    run = lockscope_run(tmp_path, *words)
    document = run.document
    assert "without a C compiler" in document["notes"][0]
    assert not list((tmp_path / "out" / "pets.trace").glob("*native.segment"))
    failed = [attempt for attempt in document["attempts"] if attempt["outcome"] == "failed"]
    assert failed
    for attempt in failed:
        blocker = attempt["blockers"][0]
        assert blocker["worker"] != attempt["worker"]
        assert blocker["statement"] == "INSERT INTO pets(name, breed) VALUES (?, ?)"
        assert Path(blocker["source"].rpartition(":")[0]).name == "pets.py"


def test_names_are_unique_for_any_number_of_workers() -> None:
    keys = [Pets().key(worker, number) for worker in range(1, 101) for number in range(1, 101)]
    assert len(set(keys)) == len(keys)
    assert keys[:3] == ["Ace", "Buddy", "Ace 1.3"]


def test_the_plain_example_knows_nothing_of_lockscope_and_loses_pets(tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "examples" / "pets_plain.py"
    text = source.read_text()
    assert "lockscope" not in text
    script = tmp_path / "pets_plain.py"
    # The same story in less time: the hold is still longer than the timeout.
    text = text.replace("TASK_DURATION_SECONDS = 3.0", "TASK_DURATION_SECONDS = 0.6")
    script.write_text(text.replace("sqlite3.connect(DATABASE)", "sqlite3.connect(DATABASE, 0.1)"))
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    refused = done.stdout.count("was not inserted: database is locked")
    assert refused >= 1
    assert f"{6 - refused} pets are in the table:" in done.stdout
