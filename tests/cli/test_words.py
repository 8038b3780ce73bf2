"""Mistakes on a command line: one sentence each, exit status 2 or 3, nothing left behind."""

import subprocess
import sys
from pathlib import Path

import pytest


def lockscope(cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lockscope", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rnu"], "there is no verb 'rnu'; did you mean 'run'?"),
        (["run", "--holt", "3"], "unrecognized arguments: --holt; did you mean --hold?"),
        (["trace", "--databas=x"], "did you mean --database?"),
        (["--foo", "run"], "unrecognized arguments: --foo."),
        (["report", "--format", "htm"], "invalid choice: 'htm'"),
        (["run", "--hold"], "expected one argument"),
        (["trace", "--database", "file:app.db"], "is one of SQLite's own addresses"),
        (["trace", "--database", ""], "give the path of a file"),
        (["trace"], "needs a command"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, words: list[str], sentence: str) -> None:
    done = lockscope(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trace", "--database", "postgresql://localhost/a"], "servers are not supported yet"),
        (["trace", "--database", "absent.db"], "absent.db does not exist"),
        (["trace", "--database", "a" * 300], "File name too long"),
        (["run", "--db", "a" * 300], "File name too long; choose another with --db"),
        (["run", "--db", "loop"], "Too many levels of symbolic links"),
        (["trace", "--", "./no-interpreter"], "the interpreter that it names is missing"),
        (["trace", "--", "./no-first-line"], "it lacks a first line #!"),
        (["trace", "--", "./loop"], "no such command"),
        (["report", "absent.trace"], "absent.trace does not exist"),
        (["report", "no-first-line"], "a trace is a folder"),
    ],
)
def test_what_the_world_does_not_allow_is_one_sentence(
    tmp_path: Path, words: list[str], sentence: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name, text in (("no-interpreter", "#!/no/such\n"), ("no-first-line", "echo\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o700)
    before = set(tmp_path.iterdir())
    done = lockscope(tmp_path, *words)
    assert (done.returncode, done.stdout) == (3, "")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert set(tmp_path.iterdir()) == before


def test_a_file_that_is_no_database_is_doubted_but_watched(tmp_path: Path) -> None:
    (tmp_path / "app.db").write_bytes(b"as if it were encrypted" * 100)
    done = lockscope(tmp_path, "trace", "-q", "--for", "10ms", "--database", "app.db")
    assert done.returncode == 0
    assert "app.db does not begin as an SQLite database does" in done.stderr
