"""Cases that are not as they should be: each is named, and nothing is left out in silence."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventually import eventually
from holders import RESERVED, held_by, holder_program, needs_compiler, write_transaction
from lockscope.capture.mounts import mount_of
from lockscope.capture.proc_locks import LockList
from lockscope.errors import CaptureError
from lockscope.live.files import find_files
from lockscope.live.sight import LockSight
from lockscope.live.snapshot import who
from lockscope.locks.file_systems import unfit

pytestmark = pytest.mark.skipif(
    not Path("/proc/locks").exists(), reason="no /proc/locks on this system"
)
NOBODY = 65_534
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t(x); INSERT INTO t VALUES(1)")
    return path


def program(database: Path, *statements: str) -> list[str]:
    code = (
        "import sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)\n"
        "for s in sys.argv[2:]: c.execute(s).fetchone()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    return [sys.executable, "-c", code, str(database), *statements]


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.returncode = 0


def asked(database: Path, *before: str) -> subprocess.CompletedProcess[str]:
    """`lockscope who` in another place or as somebody else."""
    return subprocess.run(
        [*before, sys.executable, "-m", "lockscope", "who", "--no-stack", database],
        capture_output=True,
        text=True,
        check=False,
    )


def needs_namespaces() -> None:
    if not shutil.which("unshare") or subprocess.run([*UNSHARE, "true"], check=False).returncode:
        pytest.skip("no PID namespace can be made here")


@contextlib.contextmanager
def stopped(process: "subprocess.Popen[str]") -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: Path(f"/proc/{process.pid}/stat").read_text(), lambda text: ") T " in text)
    yield
    process.send_signal(signal.SIGCONT)


def test_a_stopped_holder_is_named_and_let_go_on(database: Path) -> None:
    with held_by(*write_transaction(database)) as holder, stopped(holder):
        done = asked(database)
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert ", which is stopped" in text
    assert "keeps its locks until it is let go on" in text
    assert f"kill -CONT {holder.pid}" in text
    assert "kill -9" not in text


def test_a_holder_in_another_pid_namespace_is_seen_from_outside(database: Path) -> None:
    needs_namespaces()
    with held_by(*UNSHARE, *write_transaction(database)):
        [holder] = who(database, stack=False).holders
    assert holder.process.pid > 1
    assert holder.process.inner_pid == 1
    assert any("its pid is 1." in note for note in holder.notes)


def test_a_holder_outside_the_pid_namespace_is_not_left_out(database: Path) -> None:
    needs_namespaces()
    with held_by(*write_transaction(database)):
        done = asked(database, *UNSHARE)
    assert done.returncode == 1
    assert done.stdout.startswith("app.db is write-locked by a process that cannot be seen")
    assert "    RESERVED " in done.stdout


def test_within_a_pid_namespace_holder_and_answer_agree(database: Path) -> None:
    needs_namespaces()
    code = (
        "import subprocess, sys\n"
        "holder = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "holder.stdout.readline()\n"
        "ask = [sys.executable, '-m', 'lockscope', 'who', '--no-stack', sys.argv[1]]\n"
        "print(holder.pid, subprocess.run(ask).returncode)\n"
        "holder.communicate()\n"
    )
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-c", code, database, *write_transaction(database)],
        capture_output=True,
        text=True,
        check=True,
    )
    *answer, last = done.stdout.splitlines()
    pid, status = last.split()
    assert answer[0].startswith(f"app.db is write-locked by pid {pid} (")
    assert status == "1"


def test_a_database_that_was_replaced_has_its_old_users_named(database: Path) -> None:
    with held_by(*write_transaction(database)) as holder:
        other = database.with_name("new.db")
        shutil.copy(database, other)
        other.rename(database)
        seen = who(database, stack=False)
    assert not seen.write_locked
    [note] = [note for note in seen.notes if "still uses" in note]
    assert note.startswith(f"pid {holder.pid} still uses {database} as it was")
    assert "holds RESERVED, SHARED there" in note


def test_an_index_that_was_deleted_has_its_users_named(database: Path) -> None:
    with held_by(*program(database, "PRAGMA journal_mode=WAL", "BEGIN IMMEDIATE")) as holder:
        Path(f"{database}-shm").unlink()
        seen = who(database, stack=False)
    [note] = [note for note in seen.notes if "still uses" in note]
    assert f"pid {holder.pid} still uses {database}-shm" in note
    assert "WAL WRITE" in note


def test_a_hot_journal_and_who_would_roll_it_back(database: Path) -> None:
    spill = (
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 99) "
        "SELECT randomblob(900) FROM n"
    )
    with held_by(*program(database, "PRAGMA cache_size=1", "BEGIN", spill)) as holder:
        assert not any("is hot" in note for note in who(database, stack=False).notes)
        kill(holder)
    before = Path(f"{database}-journal").read_bytes()
    [note] = who(database, stack=False).notes
    assert "app.db-journal is hot" in note
    assert "the next process that opens it rolls it back" in note
    assert "Never delete" in note
    with held_by(*program(database)) as opener:
        [note] = who(database, stack=False).notes
        assert f"pid {opener.pid} at its next statement rolls it back" in note
    assert Path(f"{database}-journal").read_bytes() == before


def test_a_log_without_its_index(database: Path) -> None:
    with held_by(*program(database, "PRAGMA journal_mode=WAL", "INSERT INTO t VALUES(2)")) as user:
        kill(user)
    Path(f"{database}-shm").unlink()
    [note] = who(database, stack=False).notes
    assert "app.db-wal has no app.db-shm beside it" in note


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_exclusive_locking_mode_is_recognised(database: Path, mode: str) -> None:
    statements = (
        "PRAGMA locking_mode=EXCLUSIVE",
        f"PRAGMA journal_mode={mode}",
        "INSERT INTO t VALUES(2)",
    )
    with held_by(*program(database, *statements)) as user:
        [holder] = who(database, stack=False).holders
    assert holder.process.pid == user.pid
    assert any("locking_mode=EXCLUSIVE" in note for note in holder.notes)


def test_a_failed_commit_that_was_not_rolled_back(database: Path) -> None:
    code = (
        "import sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)\n"
        "c.execute('BEGIN'); c.execute('INSERT INTO t VALUES(2)')\n"
        "try: c.execute('COMMIT')\n"
        "except sqlite3.OperationalError: print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with contextlib.ExitStack() as stack:
        with held_by(*program(database, "BEGIN", "SELECT * FROM t")) as reader:
            stuck = stack.enter_context(held_by(sys.executable, "-c", code, database))
            assert who(database, stack=False).holders[0].process.pid == reader.pid
        [holder] = who(database, stack=False).holders
    assert holder.process.pid == stuck.pid
    assert any("COMMIT that failed has to be rolled back" in note for note in holder.notes)


@needs_compiler
def test_a_lock_of_an_open_file_description_is_mapped_to_its_process(
    database: Path, tmp_path: Path
) -> None:
    with held_by(holder_program(tmp_path), "ofd", database, RESERVED, 1) as holder:
        [seen] = who(database, stack=False).holders
    assert seen.process.pid == holder.pid
    assert seen.locks[0].by_description
    assert any("open file description" in note for note in seen.notes)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_as_an_ordinary_user_another_users_holder_is_named_and_what_is_hidden_said(
    database: Path,
) -> None:
    for folder in (database, *database.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    setpriv = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    if (
        not shutil.which("setpriv")
        or subprocess.run(
            [*setpriv, sys.executable, "-c", "import lockscope"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("another user cannot run this Python")
    with held_by(*write_transaction(database)) as holder:
        done = asked(database, *setpriv)
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert text.startswith(f"app.db is write-locked by pid {holder.pid} (")
    assert "may not be read by this user" in text
    assert "of other users may not be looked into" in text
    own = database.with_name("own.db")
    own.touch()
    os.chown(own, NOBODY, NOBODY)
    database.parent.chmod(0o777)
    with held_by(*setpriv, *write_transaction(own)) as holder:
        done = asked(own, *setpriv)
    assert done.stdout.startswith(f"own.db is write-locked by pid {holder.pid} (")
    assert "may not be read by this user" not in " ".join(done.stdout.split())


def test_a_list_that_never_says_the_same_twice_is_not_settled() -> None:
    line = "1: POSIX  ADVISORY  WRITE {pid} 00:01:7 1073741825 1073741825\n"

    class Torn(LockList):
        readings = iter(range(1, 100))

        def _read(self) -> tuple[bytes, int]:
            return line.format(pid=next(self.readings)).encode(), 2

    with Torn() as torn:
        assert len(torn.locks({(1, 7)})) == 3
        assert not torn.is_settled
    with LockList() as whole:
        whole.locks({(1, 7)})
        assert whole.is_settled


def test_file_systems_that_others_share_are_known(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 0:1 / / rw,relatime - ext4 /dev/a rw\n"
        "23 22 0:2 / /srv/with\\040blank rw shared:1 - nfs4 host:/ rw\n"
        "24 22 0:3 / /mnt rw - fuse.sshfs host: rw\n"
        "25 24 0:4 / /mnt rw - tmpfs none rw\n"
    )
    kinds = {
        path: mount_of(path, str(table)).kind
        for path in ("/srv/with blank/app.db", "/srv/app.db", "/mnt/app.db", "/srv/with blanks")
    }
    assert list(kinds.values()) == ["nfs4", "ext4", "tmpfs", "ext4"]
    assert unfit("nfs4") == "network"
    assert unfit("fuse.sshfs") == "shared with another machine or its host"
    assert unfit("fuseblk") is None
    assert mount_of("/", str(tmp_path / "none")).kind == "unknown"


class Skipping(LockList):
    """A list that changes between two of its pages, so that the first readings lack a line."""

    def __init__(self, pid: int, times: int) -> None:
        super().__init__()
        self.pid, self.times = b" %d " % pid, times

    def _read(self) -> tuple[bytes, int]:
        text, _ = super()._read()
        if self.times:
            self.times -= 1
            text = b"\n".join(line for line in text.split(b"\n") if self.pid not in line)
        return text, 2


def test_a_list_that_lacks_this_process_once_is_read_again() -> None:
    with Skipping(os.getpid(), 2) as locks:
        locks.check()
    with Skipping(os.getpid(), 1000) as locks, pytest.raises(CaptureError, match="PID namespace"):
        locks.check()


def test_a_holder_that_the_list_lacked_twice_is_found(database: Path) -> None:
    with held_by(*write_transaction(database)) as holder, LockSight(find_files(database)) as sight:
        sight._list.__exit__()
        sight._list = Skipping(holder.pid, 2)
        [held] = sight.held()
    assert held.pid == holder.pid
    assert [lock.name for lock in held.locks] == ["RESERVED", "SHARED"]
