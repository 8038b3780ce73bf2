"""Who holds what, compared with a table of ground truth: every state of both modes of SQLite.

The locks are held by a plain C program at the exact bytes; by SQLite, stopped within a statement at
a known system call; by Python; and by the sqlite3 shell.
"""

import contextlib
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holders import COMPILER, held_by, needs_compiler
from lockscope.live.model import Snapshot
from lockscope.live.snapshot import who

pytestmark = pytest.mark.skipif(
    not Path("/proc/locks").exists(), reason="no /proc/locks on this system"
)

PENDING, SHARED = 0x40000000, 0x40000002
R_SHARED = ("", "r", SHARED, 510)
DMS = ("-shm", "r", 128, 1)
ATTACHED = (R_SHARED, DMS)

Bytes = tuple[str, str, int, int]


def rollback_database(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t(x); INSERT INTO t VALUES(1)")


def wal_database(path: Path) -> None:
    """With a log of two frames and its index, as a crash leaves them: nobody has it open."""
    statements = ("PRAGMA journal_mode=WAL", "CREATE TABLE t(x)", "INSERT INTO t VALUES(1)")
    with held_by(*python_holder(path, *statements)) as killed:
        kill(killed)


def names(seen: Snapshot, pid: int) -> list[str]:
    everybody = [(one.process, one.locks) for one in seen.holders]
    everybody += [(one.process, one.locks) for one in seen.attached]
    return [lock.name for process, locks in everybody if process.pid == pid for lock in locks]


def is_holder(seen: Snapshot, pid: int) -> bool:
    return any(holder.process.pid == pid for holder in seen.holders)


# What is locked; what it is called; whether a write is refused.
ROLLBACK: tuple[tuple[tuple[Bytes, ...], list[str], bool], ...] = (
    ((R_SHARED,), ["SHARED"], False),
    ((("", "w", PENDING + 1, 1), R_SHARED), ["RESERVED", "SHARED"], True),
    ((("", "w", PENDING, 2), R_SHARED), ["PENDING", "RESERVED", "SHARED"], True),
    ((("", "w", PENDING, 512),), ["PENDING", "RESERVED", "EXCLUSIVE"], True),
    ((("", "w", SHARED, 510),), ["EXCLUSIVE"], True),
    ((("", "w", PENDING, 1), ("", "w", SHARED, 510)), ["PENDING", "EXCLUSIVE"], True),
)
WAL: tuple[tuple[tuple[Bytes, ...], list[str], bool], ...] = (
    (ATTACHED, ["SHARED", "WAL DMS"], False),
    *(
        (
            (*ATTACHED, ("-shm", "r", 123 + slot, 1)),
            ["SHARED", f"WAL READ{slot}", "WAL DMS"],
            False,
        )
        for slot in range(5)
    ),
    (
        (*ATTACHED, ("-shm", "r", 124, 1), ("-shm", "w", 120, 1)),
        ["SHARED", "WAL WRITE", "WAL READ1", "WAL DMS"],
        True,
    ),
    ((*ATTACHED, ("-shm", "w", 121, 1)), ["SHARED", "WAL CKPT", "WAL DMS"], False),
    (
        (*ATTACHED, ("-shm", "w", 121, 1), ("-shm", "w", 123, 1)),
        ["SHARED", "WAL CKPT", "WAL READ0", "WAL DMS"],
        False,
    ),
    (
        (*ATTACHED, ("-shm", "w", 120, 2), ("-shm", "w", 124, 4)),
        ["SHARED", "WAL WRITE", "WAL CKPT", *(f"WAL READ{n}" for n in range(1, 5)), "WAL DMS"],
        True,
    ),
    (
        (*ATTACHED, ("-shm", "w", 120, 3)),
        ["SHARED", "WAL WRITE", "WAL CKPT", "WAL RECOVER", "WAL DMS"],
        True,
    ),
    ((R_SHARED, ("-shm", "w", 128, 1)), ["SHARED", "WAL DMS"], True),
    ((("", "w", SHARED, 510), DMS), ["EXCLUSIVE", "WAL DMS"], True),
)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The compiled holders; that of SQLite only where its header is there."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    folder, source = tmp_path_factory.mktemp("programs"), Path(__file__).parent / "programs"
    built = {}
    for name, flags in (("byte_holder", ()), ("sqlite_holder", ("-lsqlite3",))):
        command = [COMPILER, "-o", folder / name, source / f"{name}.c", *flags]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            built[name] = folder / name
    return built


@needs_compiler
@pytest.mark.parametrize(
    "row",
    [
        *((rollback_database, *row) for row in ROLLBACK),
        *((wal_database, *row) for row in WAL),
    ],
)
def test_a_plain_program_at_the_exact_bytes(
    programs: dict[str, Path],
    tmp_path: Path,
    row: tuple[Callable[[Path], None], tuple[Bytes, ...], list[str], bool],
) -> None:
    make, locked, expected, writes = row
    database = tmp_path / "app.db"
    make(database)
    words = [word for suffix, *rest in locked for word in (f"{database}{suffix}", *rest)]
    with held_by(programs["byte_holder"], *words) as holder:
        seen = who(database, stack=False)
        assert names(seen, holder.pid) == expected
        assert seen.write_locked is writes
        assert is_holder(seen, holder.pid) is (locked != ATTACHED)
    assert names(who(database, stack=False), holder.pid) == []


def spilled_and_killed(path: Path) -> None:
    """A hot journal: a transaction of more pages than its cache, and no end to it."""
    rollback_database(path)
    holder = python_holder(path, "PRAGMA cache_size=1", "BEGIN", SPILL)
    with held_by(*holder) as killed:
        kill(killed)


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.returncode = 0  # as those who held it until the end


SPILL = (
    "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 200) "
    "SELECT randomblob(900) FROM n"
)
WAL_WRITTEN = ("PRAGMA journal_mode=WAL", "INSERT INTO t VALUES(2)")

# The database; the call and the file at which SQLite stops; its statements; what it holds there.
STOPPED: tuple[tuple[str, Callable[[Path], None], str, str, tuple[str, ...], set[str]], ...] = (
    (
        "commit",
        rollback_database,
        "pwrite",
        "/app.db",
        ("INSERT INTO t VALUES(2)",),
        {"PENDING RESERVED EXCLUSIVE"},
    ),
    (
        "hot-journal rollback",
        spilled_and_killed,
        "pwrite",
        "/app.db",
        ("SELECT * FROM t",),
        {"EXCLUSIVE", "PENDING EXCLUSIVE"},
    ),
    (
        "checkpoint",
        rollback_database,
        "pwrite",
        "/app.db",
        (*WAL_WRITTEN, "PRAGMA wal_checkpoint"),
        {"SHARED WAL CKPT WAL READ0 WAL DMS"},
    ),
    (
        "truncating checkpoint",
        rollback_database,
        "ftruncate",
        "-wal",
        (*WAL_WRITTEN, "PRAGMA wal_checkpoint(TRUNCATE)"),
        {
            "SHARED WAL WRITE WAL CKPT WAL READ1 WAL READ2 WAL READ3 WAL READ4 WAL DMS",
        },
    ),
    (
        "recovery",
        wal_database,
        "pread",
        "-wal",
        ("SELECT * FROM t",),
        {"SHARED WAL WRITE WAL CKPT WAL RECOVER WAL DMS"},
    ),
    (
        "first attacher",
        wal_database,
        "ftruncate",
        "-shm",
        ("SELECT * FROM t",),
        {"SHARED WAL DMS"},
    ),
    (
        "last closer",
        rollback_database,
        "unlink",
        "-wal",
        (*WAL_WRITTEN, "close"),
        {"EXCLUSIVE", "PENDING EXCLUSIVE", "EXCLUSIVE WAL DMS", "PENDING EXCLUSIVE WAL DMS"},
    ),
    (
        "unfinished transaction",
        rollback_database,
        "none",
        "",
        ("BEGIN IMMEDIATE",),
        {"RESERVED SHARED"},
    ),
)


@pytest.mark.parametrize("row", STOPPED, ids=[row[0] for row in STOPPED])
def test_sqlite_stopped_within_a_statement(
    programs: dict[str, Path],
    tmp_path: Path,
    row: tuple[str, Callable[[Path], None], str, str, tuple[str, ...], set[str]],
) -> None:
    if "sqlite_holder" not in programs:
        pytest.skip("no sqlite3.h")
    database = tmp_path / "app.db"
    row[1](database)
    with held_by(programs["sqlite_holder"], database, *row[2:4], *row[4]) as holder:
        seen = who(database, stack=False)
        assert " ".join(names(seen, holder.pid)) in row[5]
        assert is_holder(seen, holder.pid)


def python_holder(database: Path, *statements: str) -> list[str]:
    program = (
        "import sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)\n"
        "for s in sys.argv[2:]:\n"
        "    try: last = c.execute(s); last.fetchone()\n"
        "    except sqlite3.OperationalError as error: assert 'locked' in str(error), error\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    return [sys.executable, "-c", program, str(database), *statements]


LIVING: tuple[tuple[Callable[[Path], None], tuple[str, ...], list[str]], ...] = (
    (rollback_database, ("BEGIN", "SELECT * FROM t"), ["SHARED"]),
    (rollback_database, ("BEGIN IMMEDIATE",), ["RESERVED", "SHARED"]),
    (rollback_database, ("BEGIN", "INSERT INTO t VALUES(2)"), ["RESERVED", "SHARED"]),
    (rollback_database, ("BEGIN EXCLUSIVE",), ["PENDING", "RESERVED", "EXCLUSIVE"]),
    (
        rollback_database,
        ("PRAGMA cache_size=1", "BEGIN", SPILL),
        ["PENDING", "RESERVED", "EXCLUSIVE"],
    ),
    (
        rollback_database,
        ("PRAGMA locking_mode=EXCLUSIVE", "INSERT INTO t VALUES(2)"),
        ["PENDING", "RESERVED", "EXCLUSIVE"],
    ),
    (wal_database, ("SELECT count(*) FROM t",), ["SHARED", "WAL DMS"]),
    (wal_database, ("BEGIN", "SELECT * FROM t"), ["SHARED", "WAL READ1", "WAL DMS"]),
    (
        wal_database,
        ("PRAGMA wal_checkpoint", "BEGIN", "SELECT * FROM t"),
        ["SHARED", "WAL READ0", "WAL DMS"],
    ),
    (wal_database, ("BEGIN IMMEDIATE",), ["SHARED", "WAL WRITE", "WAL READ1", "WAL DMS"]),
)


@contextlib.contextmanager
def living(language: str, database: Path, statements: tuple[str, ...]) -> Iterator[int]:
    """The pid of a Python program or of the shell, after its statements."""
    if language == "Python":
        with held_by(*python_holder(database, *statements)) as holder:
            yield holder.pid
        return
    if shutil.which("sqlite3") is None:
        pytest.skip("no sqlite3 shell")
    shell = subprocess.Popen(
        ["sqlite3", str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write("".join(f"{statement};\n" for statement in statements))
        shell.stdin.write(".shell echo held\n")
        shell.stdin.flush()
        while shell.stdout.readline() != "held\n":
            assert shell.poll() is None
        yield shell.pid
        shell.stdin.close()


@pytest.mark.parametrize("language", ["Python", "shell"])
@pytest.mark.parametrize(("make", "statements", "expected"), LIVING)
def test_a_real_program_after_its_statements(
    tmp_path: Path,
    language: str,
    make: Callable[[Path], None],
    statements: tuple[str, ...],
    expected: list[str],
) -> None:
    database = tmp_path / "app.db"
    make(database)
    with living(language, database, statements) as pid:
        seen = who(database, stack=False)
        assert names(seen, pid) == expected
        assert is_holder(seen, pid) is (expected != ["SHARED", "WAL DMS"])


def test_a_commit_that_a_reader_blocks_keeps_pending_and_the_reader_is_the_root(
    tmp_path: Path,
) -> None:
    database = tmp_path / "app.db"
    rollback_database(database)
    with (
        held_by(*python_holder(database, "BEGIN", "SELECT * FROM t")) as reader,
        held_by(*python_holder(database, "BEGIN", "INSERT INTO t VALUES(2)", "COMMIT")) as writer,
    ):
        seen = who(database, stack=False)
        assert names(seen, writer.pid) == ["PENDING", "RESERVED", "SHARED"]
        assert names(seen, reader.pid) == ["SHARED"]
        assert [holder.process.pid for holder in seen.holders] == [reader.pid, writer.pid]
        assert seen.write_locked


@pytest.mark.parametrize("make", [rollback_database, wal_database])
def test_ten_processes_at_once(tmp_path: Path, make: Callable[[Path], None]) -> None:
    database = tmp_path / "app.db"
    make(database)
    with contextlib.ExitStack() as stack:
        readers = {
            stack.enter_context(held_by(*python_holder(database, "BEGIN", "SELECT * FROM t"))).pid
            for _ in range(9)
        }
        writer = stack.enter_context(held_by(*python_holder(database, "BEGIN IMMEDIATE"))).pid
        seen = who(database, stack=False)
    holders = {holder.process.pid: holder for holder in seen.holders}
    assert set(holders) == {*readers, writer}
    assert [pid for pid, holder in holders.items() if holder.writes] == [writer]
