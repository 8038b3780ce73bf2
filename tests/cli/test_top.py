"""`lockscope top` on a real terminal, over real processes that hold real locks."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from holders import held_by, write_transaction
from terminal import Terminal, on_terminal

LOCKSCOPE = (sys.executable, "-m", "lockscope")

pytestmark = pytest.mark.skipif(
    not Path("/proc/locks").exists(), reason="no /proc/locks on this system"
)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder with two databases, and one for temporary files that is empty again at the end."""
    (tmp_path / "tmp").mkdir()
    for name, mode in (("app.db", "WAL"), ("shop.db", "DELETE")):
        connection = sqlite3.connect(tmp_path / name)
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("CREATE TABLE t(x)")
        connection.close()
    yield tmp_path
    assert list((tmp_path / "tmp").iterdir()) == []


def top_on_terminal(
    room: Path, *words: object, **environment: str
) -> contextlib.AbstractContextManager[Terminal]:
    told = {"TMPDIR": str(room / "tmp"), **environment}
    return on_terminal(*LOCKSCOPE, "top", *words, cwd=room, environment=told)


def test_a_session_that_uses_every_key(room: Path) -> None:
    with (
        held_by(*write_transaction(room / "app.db")) as writer,
        held_by(*write_transaction(room / "shop.db"), "the other") as other,
        top_on_terminal(room, "app.db", "shop.db") as top,
    ):
        screen = top.until(f"app.db is write-locked by pid {writer.pid}", "WAL WRITE", "RESERVED")
        assert f"shop.db is write-locked by pid {other.pid}" in screen
        assert "2 write-locked" in screen
        top.until("WW")
        top.type("s")
        top.until("sort: time")
        top.type("ss")
        top.until("sort: command")
        top.type("/the oth")
        top.until("Filter  the oth_", "filter: the oth")
        top.type("\r")
        top.until("q quit", "filter: the oth")
        top.type("\r")
        top.until(f"pid {other.pid} on shop.db", "RESERVED  is in a write transaction")
        top.type("r")
        top.type("q")
        top.until("lockscope top", "filter: the oth")
        top.type("\x1b")
        top.until("2 databases", f"{writer.pid} app.db")
        top.type(" ")
        top.until("PAUSED at")
        top.type("j ")
        top.until("space pause")
        top.type("?")
        top.until("what it shows")
        top.type("q")
        top.until("space pause")
        top.type("w")
        top.until("Saved. Read it with: lockscope report app-")
        top.type("q")
        assert top.end() == 0
    [trace] = room.glob("app-*.trace")
    done = subprocess.run([*LOCKSCOPE, "report", trace, "--json"], capture_output=True, check=False)
    document = json.loads(done.stdout)
    assert {(writer.pid, "app.db WAL WRITE"), (other.pid, "shop.db RESERVED")} <= {
        (hold["pid"], hold["resource"]) for hold in document["holds"]
    }
    assert document["sampling"]["alone"]
    assert document["gaps"] == []
    assert trace.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("how", ["q", "\x03", signal.SIGTERM, signal.SIGHUP])
def test_however_it_ends_the_terminal_is_as_before(room: Path, how: str | signal.Signals) -> None:
    with top_on_terminal(room, "app.db") as top:
        before = termios.tcgetattr(top.file)
        top.until("app.db is not locked by anybody")
        assert termios.tcgetattr(top.file) != before
        if isinstance(how, str):
            top.type(how)
        else:
            top.program.send_signal(how)
        assert top.end() == 0
        left = top.output.rpartition(b"app.db is not locked")[2]
        assert b"\033[?1049l" in left
        assert b"\033[?25h" in left
        assert termios.tcgetattr(top.file) == before


def test_a_terminal_that_is_gone_leaves_nothing_behind(room: Path) -> None:
    with top_on_terminal(room, "app.db") as top:
        top.until("app.db is not locked by anybody")
        top.hang_up()
        assert top.program.wait(60) == 0


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(room: Path) -> None:
    with top_on_terminal(room, "app.db") as top:
        before = termios.tcgetattr(top.file)
        top.until("app.db is not locked by anybody")
        top.type("\x1a")
        _, status = os.waitpid(top.program.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert termios.tcgetattr(top.file) == before
        top.program.send_signal(signal.SIGCONT)
        with held_by(*write_transaction(room / "app.db")) as holder:
            top.until(f"app.db is write-locked by pid {holder.pid}")
        top.type("q")
        assert top.end() == 0


def test_without_textual_it_says_what_to_install(room: Path) -> None:
    program = (
        "import sys; sys.modules['textual'] = None; "
        "from lockscope.cli import main; sys.exit(main(['top', 'app.db']))"
    )
    with on_terminal(sys.executable, "-c", program, cwd=room) as top:
        assert top.end() == 3
        told = " ".join(top.output.decode().split())
        assert "a package that is missing, textual" in told
        assert "Traceback" not in told


def test_what_happens_to_databases_and_holders_is_shown(room: Path) -> None:
    with top_on_terminal(room, "app.db", "shop.db") as top:
        with held_by(*write_transaction(room / "app.db"), "first") as first:
            top.until(f"app.db is write-locked by pid {first.pid}")
        top.until("app.db is not locked by anybody", "gone")
        (room / "shop.db").rename(room / "elsewhere.db")
        top.until("shop.db does not exist", "app.db is not locked")
        shutil.copy(room / "elsewhere.db", room / "shop.db")
        with held_by(*write_transaction(room / "shop.db"), "second") as second:
            top.until(f"shop.db is write-locked by pid {second.pid}", "RESERVED")
            top.until("was replaced by another file")
        top.type("q")
        assert top.end() == 0


def test_it_ends_by_itself_when_it_is_told_to(room: Path) -> None:
    with top_on_terminal(room, "app.db", "--for", "10ms", "--rate", "100") as top:
        assert top.end() == 0


def test_where_it_cannot_save_it_says_so_and_goes_on(room: Path) -> None:
    (room / "here").mkdir()
    told = {"TMPDIR": str(room / "tmp")}
    with on_terminal(
        *LOCKSCOPE, "top", room / "app.db", cwd=room / "here", environment=told
    ) as top:
        top.until("app.db is not locked by anybody")
        (room / "here").rmdir()
        top.type("w")
        top.until("Not saved: No such file or directory (app-")
        top.type("q")
        assert top.end() == 0


def test_without_colours_no_colour_is_written(room: Path) -> None:
    with (
        held_by(*write_transaction(room / "app.db")),
        top_on_terminal(room, "app.db", NO_COLOR="1") as plain,
        top_on_terminal(room, "app.db") as coloured,
    ):
        for top in (plain, coloured):
            top.until("app.db is write-locked", "WW")
            top.type("q")
            assert top.end() == 0
    for sign in (b"38;5;", b"48;5;", b"\033[31m", b";31m"):
        assert sign not in plain.output
    assert b"48;5;" in coloured.output


def test_a_terminal_of_60_columns(room: Path) -> None:
    told = {"TMPDIR": str(room / "tmp")}
    with (
        held_by(*write_transaction(room / "app.db")) as holder,
        on_terminal(*LOCKSCOPE, "top", "app.db", cwd=room, size=(60, 15), environment=told) as top,
    ):
        top.until(f"app.db is write-locked by pid {holder.pid}", "WAL WRITE", "q quit")
        top.type("q")
        assert top.end() == 0


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["app.db", "none.db"], 3, "none.db does not exist"),
        (["."], 3, "is a folder"),
        (["text.db"], 3, "is not an SQLite database"),
        (["postgresql://localhost/x"], 3, "not supported yet"),
        ([":memory:"], 2, "belongs to one process alone"),
        (["app.db", "--rate", "0"], 2, "is not a rate"),
        (["app.db", "--for", "soon"], 2, "is not a duration"),
        ([], 2, "required: DATABASE"),
    ],
)
def test_mistakes_get_one_sentence(
    room: Path, words: list[str], status: int, sentence: str
) -> None:
    (room / "text.db").write_text("not a database, " * 9)
    with top_on_terminal(room, *words) as top:
        assert top.end() == status
        assert sentence in " ".join(top.output.decode().split())
        assert b"Traceback" not in top.output
        assert b"\033[?1049h" not in top.output


def test_without_a_terminal_it_names_what_goes_without(room: Path) -> None:
    done = subprocess.run(
        [*LOCKSCOPE, "top", "app.db"], cwd=room, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs a terminal" in done.stderr
    assert "lockscope who --watch" in done.stderr
    with top_on_terminal(room, "app.db", TERM="dumb") as top:
        assert top.end() == 2
        assert b"lockscope who --watch" in top.output
