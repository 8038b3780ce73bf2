"""Standard streams that are closed, full or unread: a sentence, and the right status."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

LOCKSCOPE = f"{shlex.quote(sys.executable)} -m lockscope"

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": request.param}


def shell(
    cwd: Path, line: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "words",
    [
        "check",
        "check --json",
        "--help",
        "run -o r",
        "run -o r --json",
        "run -o r --records 9 --json",
    ],
)
@pytest.mark.parametrize(("stream", "why"), [(">/dev/full", "No space left"), (">&-", "Bad file")])
def test_an_answer_that_cannot_be_written_is_told(
    words: str, stream: str, why: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    done = shell(tmp_path, f"{LOCKSCOPE} {words} {stream}", environment)
    assert done.returncode == 3
    assert done.stderr.startswith("lockscope: The answer cannot be written to standard output")
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    if "run" in words:
        assert (tmp_path / "r" / "report.txt").stat().st_size > 0


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    done = shell(tmp_path, f"{LOCKSCOPE} check --json | head -c 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "{", "")


@pytest.mark.parametrize("stream", ["2>/dev/full", "2>&-", "2>&- >&- <&-"])
def test_what_cannot_be_told_changes_no_exit_status(stream: str, tmp_path: Path) -> None:
    program = "sh -c 'ls /proc/self/fd >seen; exit 7'"
    done = shell(tmp_path, f"{LOCKSCOPE} trace -o t.trace -- {program} {stream}")
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
    assert (tmp_path / "t.trace" / "manifest.json").exists()
    # What was closed is closed for the command too, and no file of the trace has taken its place.
    plain = shell(tmp_path, f"{program} {stream}".replace("seen", "plain"))
    assert plain.returncode == 7
    assert (tmp_path / "seen").read_text() == (tmp_path / "plain").read_text()
    wrong = shell(tmp_path, f"{LOCKSCOPE} run --remedy none {stream}")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_an_answer_is_written_in_an_encoding_that_lacks_its_signs(tmp_path: Path) -> None:
    name = os.fsdecode(b"t\xff.trace")
    shell(tmp_path, f"{LOCKSCOPE} trace -q -o '{name}' -- true")
    for encoding in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}):
        environment = {**os.environ, "PYTHONUTF8": "0", **encoding}
        for words in ("check --help", "run", "report", "report -o report.txt"):
            done = shell(tmp_path, f"{LOCKSCOPE} {words}", environment)
            # 1 where a loaded machine made one wait in vain: this is about what is written.
            assert done.returncode in {0, 1}, words
            assert done.stderr == "", words
