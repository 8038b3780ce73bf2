"""The bar of a report that takes long: on a terminal, and nowhere else."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from lockscope.trace.manifest import MANIFEST_NAME, Manifest

REPORT = (sys.executable, "-m", "lockscope", "report")


@pytest.fixture
def held_trace(tmp_path: Path) -> tuple[Path, str]:
    """A trace whose reader waits until somebody writes the manifest, and that manifest."""
    folder = tmp_path / "held.trace"
    folder.mkdir()
    Manifest(("true",), "/", "host", "boot", 0, "2000-01-01T00:00:00+00:00", {}).write(folder)
    manifest = (folder / MANIFEST_NAME).read_text()
    (folder / MANIFEST_NAME).unlink()
    os.mkfifo(folder / MANIFEST_NAME)
    return folder, manifest


def seen_until(terminal: int, wanted: bytes) -> bytes:
    """What a terminal shows until something is on it, or nobody writes to it any more."""
    seen = b""
    while wanted not in seen:
        try:
            seen += os.read(terminal, 4096)
        except OSError:  # how Linux tells that the other end is closed
            break
    return seen


def test_a_terminal_is_shown_the_step_until_the_report(held_trace: tuple[Path, str]) -> None:
    folder, manifest = held_trace
    terminal, other = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(
        [*REPORT, folder], stdout=subprocess.PIPE, stderr=other, env=environment
    ) as report:
        os.close(other)
        assert b"reading" in seen_until(terminal, b"reading")
        (folder / MANIFEST_NAME).write_text(manifest)
        assert report.stdout is not None
        answer = report.stdout.read()
    after = seen_until(terminal, b"nothing more")
    os.close(terminal)
    assert report.returncode == 0
    assert b"no SQLite database was locked" in answer
    assert b"reading" not in answer
    assert after.rstrip().endswith(b"\x1b[2K")  # the bar is wiped away


def test_what_is_no_terminal_is_shown_nothing(held_trace: tuple[Path, str]) -> None:
    folder, manifest = held_trace
    environment = {**os.environ, "FORCE_COLOR": "1"}
    with subprocess.Popen(
        [*REPORT, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as report:
        (folder / MANIFEST_NAME).write_text(manifest)
        answer, errors = report.communicate()
    assert report.returncode == 0
    assert b"no SQLite database was locked" in answer
    assert errors == b""
