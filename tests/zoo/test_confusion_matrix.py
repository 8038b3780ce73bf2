"""The command that plays the whole zoo, for one exhibit and from counts."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from confusion_matrix import NOTHING, Row, page, table

from lockscope.capture.preload import missing_sentence
from lockscope.lab.zoo import Exhibit

COMMAND = Path(__file__).with_name("confusion_matrix.py")


def test_a_row_is_what_was_staged_and_a_column_what_was_found() -> None:
    first, second = (Exhibit(cause, "sqlite3", "", (cause,)) for cause in ("C12", "C13"))
    rows = [
        Row(first, Counter(C12=3, C14=1), Counter({NOTHING: 4}), ["zoo/C12 (ill, quiet, 1): C14"]),
        Row(second, Counter(C13=4), Counter({NOTHING: 3, "C02": 1}), ["zoo/C13 (cured): C02"]),
    ]
    lines = table(rows, 4)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:4]]
    assert cells == [["zoo/C12", "3", "", "1", "none 4"], ["zoo/C13", "", "4", "", "C02 1"]]
    assert lines[-1] == "14 of 16 runs lie on the diagonal."
    assert "- zoo/C13 (cured): C02" in page(rows, {False: 2, True: 2}).splitlines()


@pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())
def test_the_command_plays_both_forms(tmp_path: Path) -> None:
    words = ("--runs", "1", "--quiet", "--only", "zoo/C25", "--write", str(tmp_path / "page.md"))
    done = subprocess.run(
        [sys.executable, str(COMMAND), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "2 of 2 runs lie on the diagonal." in done.stdout
    assert "1 times without load" in (tmp_path / "page.md").read_text()
