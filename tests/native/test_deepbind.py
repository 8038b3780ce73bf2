"""Libraries that are opened past every preloaded one."""

import subprocess
from pathlib import Path

import pytest
from recorded import run

from lockscope.trace.kinds import Kind

pytest_plugins = ["recorder_built"]

SOURCES = Path(__file__).with_name("opened")
LINKED = {"lazy": ("-Wl,-z,lazy",), "now": ("-Wl,-z,now", "-Wl,-z,relro"), "plain": ()}


def compiled(output: Path, source: str, *options: str) -> Path:
    subprocess.run(["cc", "-O2", "-o", output, SOURCES / source, *options], check=True)
    return output


def plugin(folder: Path, *options: str) -> Path:
    folder.mkdir(exist_ok=True)
    return compiled(folder / "plugin.so", "plugin.c", "-fPIC", "-shared", *options)


@pytest.fixture
def opener(tmp_path: Path) -> Path:
    # The library's folder is known to the program alone, which opens it by its bare name.
    where = f"-Wl,-rpath,{tmp_path / 'libraries'}"
    return compiled(tmp_path / "opener", "opener.c", where, "-ldl")


@pytest.mark.parametrize("how", ["Now", "lazily", "Now-deep", "lazily-deep"])
@pytest.mark.parametrize("linked", LINKED)
def test_its_locks_and_closes_are_recorded(
    opener: Path, library: Path, tmp_path: Path, linked: str, how: str
) -> None:
    first = plugin(tmp_path / "first", *LINKED[linked])
    second = plugin(tmp_path / "second", *LINKED[linked])
    words: list[str | Path] = [opener, how]
    for path in (first, second, first):  # what is unloaded may come back at the same address
        words += [path, tmp_path / "a.db"]
    segment = run(words, library, tmp_path / "trace").only
    assert len(segment.of(Kind.LOCK)) == 9
    assert len(segment.of(Kind.CLOSE)) == 3


@pytest.mark.parametrize("how", ["Now", "Now-deep"])
def test_the_callers_own_search_path_is_followed(
    opener: Path, library: Path, tmp_path: Path, how: str
) -> None:
    plugin(tmp_path / "libraries")
    run([opener, how, "plugin.so", tmp_path / "a.db"], library, tmp_path / "trace")
