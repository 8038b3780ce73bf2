import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("sanitize")


def has(sanitizer: str, folder: Path) -> bool:
    source = folder / "empty.c"
    source.write_text("int main(void) { return 0; }\n")
    command = ["cc", f"-fsanitize={sanitizer}", "-o", str(folder / "empty"), str(source)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the native recorder needs Linux")
def test_no_sanitizer_reports_anything(tmp_path: Path) -> None:
    if not (has("address,undefined", tmp_path) and has("thread", tmp_path)):
        pytest.skip("the compiler lacks a sanitizer's library")
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
