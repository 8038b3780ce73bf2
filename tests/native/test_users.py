"""Programs that begin as root and go on as somebody else, who is let into the trace's folder."""

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded import run

from lockscope.trace.kinds import Kind

pytest_plugins = ["recorder_built"]

NOBODY = 65_534

needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can become somebody else"
)


@needs_root
@pytest.mark.parametrize("way", ["setuid", "seteuid", "setreuid", "setresuid"])
def test_what_follows_a_change_of_user_is_recorded(
    actor: Path, library: Path, tmp_path: Path, way: str
) -> None:
    trace = tmp_path / "trace"
    trace.mkdir(mode=0o700)
    database = tmp_path / "a.db"
    segment = run([actor, "become", way, str(NOBODY), database, "10000"], library, trace).only
    assert segment.header["lost"] == 0
    assert len(segment.of(Kind.LOCK)) == 20_000
    # The path is a text that was kept after the change.
    assert segment.file("a.db") == 1


@needs_root
def test_where_the_room_ahead_ends_the_trace_is_blind_and_says_so(
    actor: Path, library: Path, tmp_path: Path
) -> None:
    # Other users may not even search the folders above, which are the test's own.
    trace = tmp_path / "trace"
    trace.mkdir(mode=0o700)
    database = tmp_path / "a.db"
    segment = run([actor, "become", "setuid", str(NOBODY), database, "50000"], library, trace).only
    kept = len(segment.of(Kind.LOCK))
    assert 65_000 < kept < 100_000
    assert segment.header["blind_ns"] > segment.header["started_ns"]
    assert kept + int(segment.header["lost"]) >= 100_000


@needs_root
def test_room_is_mapped_ahead_once_only(actor: Path, library: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.mkdir(mode=0o700)
    segment = run([actor, "to-and-fro", str(NOBODY), tmp_path / "a.db", "50"], library, trace).only
    assert segment.header["lost"] == 0
    assert segment.path.stat().st_size < 4_000_000


@pytest.fixture
def open_folder(library: Path) -> Iterator[Path]:
    """A folder that other users may pass, with a trace in it that is the owner's alone."""
    folder = Path(tempfile.mkdtemp(prefix="lockscope-test-"))
    folder.chmod(0o711)
    (folder / "trace").mkdir(mode=0o700)
    shutil.copy(library, folder / "liblockscope.so")
    (folder / "data").mkdir()
    (folder / "data").chmod(0o777)
    try:
        os.getxattr(folder, "system.posix_acl_access")
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            pytest.skip("this file system knows no access control lists")
    yield folder
    shutil.rmtree(folder)


@needs_root
def test_the_new_user_goes_on_beyond_what_was_mapped(actor: Path, open_folder: Path) -> None:
    database = open_folder / "data/a.db"
    command: list[str | Path] = [actor, "become", "setuid", str(NOBODY), database, "50000"]
    segment = run(command, open_folder / "liblockscope.so", open_folder / "trace").only
    assert segment.header["lost"] == 0
    assert len(segment.of(Kind.LOCK)) == 100_000


SERVICE = """
import os, sqlite3, subprocess, sys
os.chdir(sys.argv[1])
def insert():
    connection = sqlite3.connect("a.db")
    connection.execute("CREATE TABLE IF NOT EXISTS t(x)")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.commit()
    connection.close()
os.setgroups([])
os.setuid(int(sys.argv[2]))
insert()
if os.fork() == 0:
    insert()
    os._exit(0)
os.wait()
text = "import sqlite3; sqlite3.connect('a.db').execute('INSERT INTO t VALUES (1)')"
subprocess.run([sys.executable, "-c", text], check=True)
try:
    os.listdir(os.environ["LOCKSCOPE_TRACE"])
except PermissionError:
    os._exit(7)
"""


@needs_root
def test_what_the_new_user_forks_and_executes_is_recorded(open_folder: Path) -> None:
    pythons = [sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")]
    passed = [python for python in pythons if python and may_pass(Path(python))]
    if not passed:
        pytest.skip("other users may not execute any Python")
    command = [passed[0], "-c", SERVICE, str(open_folder / "data"), str(NOBODY)]
    ran = run(command, open_folder / "liblockscope.so", open_folder / "trace", status=7)
    assert len(ran.segments) == 3
    assert all(len(segment.of(Kind.LOCK)) > 0 for segment in ran.segments)
    assert all(segment.header["lost"] == 0 for segment in ran.segments)
    mode = (open_folder / "trace").stat().st_mode
    assert mode & (stat.S_ISVTX | stat.S_IRWXO | stat.S_IRGRP) == stat.S_ISVTX


def may_pass(path: Path) -> bool:
    """Whether any user may search the folders above a file."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)
