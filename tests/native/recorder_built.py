"""The recorder and the programs that it records, compiled once with warnings as errors."""

import subprocess
import sys
from pathlib import Path

import pytest
from recorded import Play, Ran, run

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "src/lockscope/capture/native"
STRICT = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pthread")


def compile_c(output: Path, sources: list[Path], *options: str) -> Path:
    if sys.platform != "linux":
        pytest.skip("the native recorder needs Linux")
    command = ["cc", *STRICT, "-o", str(output), *map(str, sources), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("built")


@pytest.fixture(scope="session")
def library(built: Path) -> Path:
    options = ("-fPIC", "-shared", "-fvisibility=hidden", "-ftls-model=initial-exec", "-ldl")
    return compile_c(built / "liblockscope.so", sorted(NATIVE.glob("*.c")), *options)


@pytest.fixture(scope="session")
def actor(built: Path) -> Path:
    return compile_c(built / "actor", sorted(Path(__file__).parent.glob("programs/*.c")))


@pytest.fixture(scope="session")
def transactions(built: Path) -> Path:
    source = ROOT / "benchmarks/native_programs/wal_transactions.c"
    return compile_c(built / "wal_transactions", [source], "-lsqlite3")


@pytest.fixture
def play(actor: Path, library: Path, tmp_path: Path) -> Play:
    """Play a scene of the actor with the recorder loaded."""

    def scene(*words: str | Path, status: int = 0, **variables: str) -> Ran:
        return run([actor, *words], library, tmp_path / "trace", status=status, **variables)

    return scene
