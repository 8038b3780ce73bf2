"""What a run advises fits what it found."""

import subprocess
import sys
from pathlib import Path

import pytest

from lockscope.capture.preload import missing_sentence

UPGRADE = """\
from lockscope.lab import Turn
from lockscope.lab.pets import Pets

class Upgrade(Pets):
    def work(self, turn: Turn) -> None:
        turn.connection.execute("BEGIN")
        turn.connection.execute("SELECT count(*) FROM pets").fetchall()
        turn.task()
        turn.connection.execute("INSERT INTO pets(name) VALUES (?)", (turn.key,))
"""


@pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())
@pytest.mark.parametrize(("remedy", "causes"), [("stock", {"C12"}), ("wal", {"C13", "C14"})])
def test_a_refused_upgrade_is_not_cured_by_waiting(
    remedy: str, causes: set[str], tmp_path: Path
) -> None:
    (tmp_path / "upgrade.py").write_text(UPGRADE)
    options = ("--remedy", remedy, "--hold", "100ms", "--processes", "4")
    done = subprocess.run(
        [sys.executable, "-m", "lockscope", "run", "upgrade:Upgrade", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert any(cause in done.stdout for cause in causes)
    assert "take the write lock when the transaction begins" in done.stdout
    assert "--remedy textbook" in done.stdout
