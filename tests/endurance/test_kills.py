"""A part of `kills.py`, each time from another seed."""

import random
import shutil
from pathlib import Path

import pytest
from kills import compile_program, kill_often

from lockscope.capture.preload import missing_sentence


@pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_all_that_had_returned_before_a_kill_is_read_back(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    assert kill_often(60, seed, compile_program(tmp_path), tmp_path) > 0
