"""Who took a process's locks away, and who took a database's name away."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded import Ran, Recorded, run

from lockscope.trace.kinds import Kind

pytest_plugins = ["recorder_built"]

ANOTHER = 1
UNLINKED, RENAMED, REPLACED = 1, 2, 3
BEGIN = """
import os, sqlite3, sys
path = sys.argv[1]
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("CREATE TABLE t(x)")
connection.execute("BEGIN IMMEDIATE")
"""

Python = Callable[[str], Ran]


@pytest.fixture
def python(library: Path, tmp_path: Path) -> Python:
    def program(text: str) -> Ran:
        command = [sys.executable, "-c", BEGIN + text, str(tmp_path / "a.db")]
        return run(command, library, tmp_path / "trace")

    return program


def closes(segment: Recorded) -> list[tuple[bool, str]]:
    """(through a descriptor that no lock was taken through, the module that closed it)."""
    return [
        (bool(r["mode"] & ANOTHER), Path(segment.text(r["length"]).split("+0x")[0]).name)
        for r in segment.of(Kind.CLOSE)
    ]


def removals(segment: Recorded) -> list[tuple[int, str]]:
    files = {int(r["file"]): segment.text(r["length"]) for r in segment.of(Kind.FILE)}
    return [(int(r["mode"]), Path(files[int(r["file"])]).name) for r in segment.of(Kind.REMOVE)]


def test_another_descriptor_is_told_from_that_of_the_locks(python: Python) -> None:
    segment = python("os.close(os.open(path, os.O_RDONLY)); connection.close()").only
    (foreign, module), *own = closes(segment)
    assert foreign
    assert module.startswith(("python", "libpython"))
    assert own
    assert {(foreign, module.split(".so")[0]) for foreign, module in own} == {(False, "libsqlite3")}


@pytest.mark.parametrize(
    "way",
    [
        "os.dup2(os.open(os.devnull, os.O_RDONLY), os.open(path, os.O_RDONLY))",
        "fd = os.open(path, os.O_RDONLY); os.closerange(fd, fd + 1)",
        "open(path, 'rb').read()",
    ],
)
def test_every_way_to_close_another_descriptor_names_its_code(python: Python, way: str) -> None:
    foreign = [module for another, module in closes(python(way).only) if another]
    assert len(foreign) == 1
    assert foreign[0]


def test_sqlite_s_own_journals_come_and_go_without_a_word(python: Python) -> None:
    insert = "connection.execute('INSERT INTO t VALUES (1)')"
    text = f"connection.execute('COMMIT')\nfor n in range(20): {insert}"
    assert removals(python(text).only) == []


@pytest.mark.parametrize("ending", ["", "-journal", "-wal"])
def test_a_removal_is_told(python: Python, ending: str) -> None:
    text = f"open(path + '{ending}', 'ab').close(); os.unlink(path + '{ending}')"
    assert removals(python(text).only) == [(UNLINKED, "a.db" + ending)]


def test_a_replacement_is_told_of_both_files(python: Python) -> None:
    text = (
        "os.chdir(os.path.dirname(path)); open('new.db', 'w').close(); os.replace('new.db', path)"
    )
    segment = python(text).only
    assert removals(segment) == [(RENAMED, "new.db"), (REPLACED, "a.db")]
    moved, replaced = segment.of(Kind.REMOVE)
    assert segment.text(moved["length"]).endswith("/a.db")
    assert segment.text(replaced["length"]).endswith("/new.db")
    assert int(replaced["start"]) == 0
    modules = {Path(segment.text(r["duration_ns"]).split("+0x")[0]).name for r in (moved, replaced)}
    assert all(module.startswith(("python", "libpython")) for module in modules)


def test_another_name_of_a_database_is_not_the_database(python: Python) -> None:
    text = "os.link(path, path + '.copy.db'); os.unlink(path + '.copy.db')"
    assert removals(python(text).only) == [(UNLINKED, "a.db.copy.db")]


def test_a_program_that_never_locked_is_known_by_the_name_it_removes(
    library: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.db").touch()
    (tmp_path / "letter.txt").touch()
    ran = run(["rm", tmp_path / "a.db", tmp_path / "letter.txt"], library, tmp_path / "trace")
    assert removals(ran.only) == [(UNLINKED, "a.db")]


def test_a_failed_removal_is_none(python: Python) -> None:
    text = "try: os.unlink('/nonexistent/a.db')\nexcept OSError: os.mkdir(path + '-wal')"
    text += "\nos.rmdir(path + '-wal')"
    assert removals(python(text).only) == []
