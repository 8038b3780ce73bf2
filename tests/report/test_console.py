"""Text that is not ours acts on no terminal, and an answer's file is there whole or as it was."""

import errno
import io
import os
from pathlib import Path
from typing import TextIO

import pytest

from lockscope.cli.answer_file import answer_file
from lockscope.errors import UnableError
from lockscope.report.console import console_for


def test_control_characters_are_shown() -> None:
    out = io.StringIO()
    console_for(out).print("a\x1b[31mb\x07\u202ec\nd")
    assert out.getvalue() == "a\\x1b[31mb\\x07\\u202ec\nd\n"


def test_what_is_kept_has_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    console_for(out, kept=True).print("[red]a[/]")
    assert out.getvalue() == "a\n"


def _run_out_of_space(file: TextIO) -> None:
    file.write("half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_answer_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "answer"
    path.write_text("before")
    with pytest.raises(UnableError, match="No space left"), answer_file(path) as file:
        _run_out_of_space(file)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_answer_takes_the_place_of_the_last_one_through_its_link(tmp_path: Path) -> None:
    path, link = tmp_path / "answer", tmp_path / "link"
    path.write_text("before")
    link.symlink_to(path)
    with answer_file(link) as file:
        file.write("after")
    assert path.read_text() == "after"
    assert link.is_symlink()
    with answer_file(Path(os.devnull)) as file:
        file.write("nothing")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnableError, match="cannot be written"), answer_file(tmp_path / "no" / "a"):
        pass
