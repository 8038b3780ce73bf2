"""Every function that the library wraps is called, its result unchanged and its record there."""

import shutil
import subprocess
from pathlib import Path

import pytest
from recorded import run

from lockscope.trace.kinds import Kind

pytest_plugins = ["recorder_built"]

RECORDS: dict[str, Kind | None] = {
    **dict.fromkeys(["fcntl", "fcntl64"], Kind.LOCK),
    **dict.fromkeys(["usleep", "nanosleep", "clock_nanosleep"], Kind.SLEEP),
    "sleep": None,  # of no time at all
    **dict.fromkeys(["fsync", "fdatasync"], Kind.SYNC),
    **dict.fromkeys(["write", "pwrite", "pwrite64", "writev", "pwritev", "pwritev64"], Kind.WRITES),
    **dict.fromkeys(["ftruncate", "ftruncate64"], Kind.WRITES),
    **dict.fromkeys(["close", "dup2", "dup3", "close_range", "closefrom", "fclose"], Kind.CLOSE),
    **dict.fromkeys(["unlink", "unlinkat", "remove"], Kind.REMOVE),
    **dict.fromkeys(["rename", "renameat", "renameat2"], Kind.REMOVE),
    **dict.fromkeys(["execve", "execvpe", "execv", "execvp", "execl", "execlp"], Kind.EXEC),
    **dict.fromkeys(["execle", "fexecve", "execveat"], Kind.EXEC),
    **dict.fromkeys(["posix_spawn", "posix_spawnp", "fork", "_Fork"], Kind.FORK),
    **dict.fromkeys(["_exit", "_Exit"], Kind.EXIT),
    **dict.fromkeys(["setuid", "seteuid", "setreuid", "setresuid", "chroot"], None),
    **dict.fromkeys(["dlopen", "dlclose"], None),
    **dict.fromkeys(["sqlite3_exec", "sqlite3_step", "sqlite3_reset"], Kind.STATEMENT),
    **dict.fromkeys(["sqlite3_finalize"], Kind.STATEMENT),
    **dict.fromkeys(
        ["sqlite3_prepare", "sqlite3_prepare_v2", "sqlite3_prepare_v3"], Kind.STATEMENT
    ),
    **dict.fromkeys(["sqlite3_prepare16", "sqlite3_prepare16_v2"], Kind.STATEMENT),
    **dict.fromkeys(["sqlite3_prepare16_v3"], Kind.STATEMENT),
    **dict.fromkeys(["sqlite3_close", "sqlite3_close_v2"], None),
}
"""What a call leaves in the trace; None where it only prepares, or tells nothing by itself."""


@pytest.fixture(scope="session")
def each(built: Path) -> Path:
    from recorder_built import compile_c  # once pytest has taken it in as a plugin

    return compile_c(built / "each", [Path(__file__).parent / "each/each.c"], "-lsqlite3", "-ldl")


def test_the_table_is_what_the_library_exports(library: Path) -> None:
    if shutil.which("nm") is None:
        pytest.skip("needs nm")
    command = ["nm", "-D", "--defined-only", str(library)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert {line.split()[2] for line in listed.splitlines()} == set(RECORDS)


@pytest.mark.parametrize("name", RECORDS)
def test_a_call_is_recorded_and_unchanged(
    each: Path, library: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "u").mkdir()
    (tmp_path / "t").mkdir()
    untraced = subprocess.run(
        [each, name, tmp_path / "u"], capture_output=True, text=True, check=False
    )
    status = 5 if name in ("_exit", "_Exit") else 0
    assert (untraced.returncode, untraced.stderr) == (status, "")
    command: list[str | Path] = [each, name, tmp_path / "t"]
    ran = run(command, library, tmp_path / "trace", status=status)
    assert ran.stdout == untraced.stdout
    kind = RECORDS[name]
    if kind is not None:
        told = ran.segments[0].of(kind)
        assert len(told) >= (2 if kind == Kind.LOCK else 1)  # one was there before the call
        assert kind != Kind.STATEMENT or all(told["context"])
