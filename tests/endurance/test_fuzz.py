"""A part of `fuzz.py`, each time from another seed."""

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lockscope.capture.preload import missing_sentence


@pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="no alarm signal")
@pytest.mark.timeout(600)  # half a minute of computing: on a loaded machine it had taken two
def test_a_damaged_trace_is_read_or_refused(tmp_path: Path) -> None:
    # In a process of its own: it limits its memory and takes the alarm signal.
    seed = random.SystemRandom().randrange(1 << 32)
    program = Path(__file__).parent / "fuzz.py"
    done = subprocess.run(
        [sys.executable, program, "--inputs", "2000", "--seed", str(seed)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2,000 inputs" in done.stdout
