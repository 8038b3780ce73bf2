import subprocess
from pathlib import Path

from recorder_built import NATIVE, compile_c

pytest_plugins = ["recorder_built"]

APART_NS = 20_000
"""Far below a lock's hold, far above what an interrupted reading can be off."""


def test_the_clock_is_the_monotonic_one_and_never_steps_back(built: Path) -> None:
    sources = [Path(__file__).with_name("clock_check.c"), *NATIVE.glob("*.c")]
    check = compile_c(built / "clock_check", sources, f"-I{NATIVE}", "-ldl")
    done = subprocess.run([check, "1.5"], capture_output=True, text=True, check=True)
    threads = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(threads) == 2
    for readings, steps_back, furthest_before, furthest_after in threads:
        assert readings > 1000
        assert steps_back == 0
        assert max(furthest_before, furthest_after) < APART_NS
