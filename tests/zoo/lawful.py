"""A program that uses SQLite in every way that looks odd from outside and breaks no rule of it."""

import contextlib
import os
import sqlite3
import sys
import threading
from pathlib import Path

FOLDER = Path(sys.argv[1])
MODES = ("delete", "truncate", "persist", "wal")


def opened(name: str, words: str = "") -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{FOLDER / name}{words}", uri=True, isolation_level=None, timeout=60
    )


def fill(connection: sqlite3.Connection, rows: int = 200) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, x BLOB)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO t(x) VALUES (?)", [(bytes(400),)] * rows)
    connection.execute("COMMIT")


def every_journal_mode() -> None:
    """Also changed from each to each, vacuumed, checkpointed, spilled."""
    connection = opened("modes.db")
    for mode in (*MODES, *reversed(MODES), "wal", "delete"):
        connection.execute(f"PRAGMA journal_mode={mode}")
        fill(connection)
        connection.execute("PRAGMA cache_size=2")
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET x = randomblob(500)")
        connection.execute("ROLLBACK")
        connection.execute("VACUUM")
        for kind in ("PASSIVE", "FULL", "RESTART", "TRUNCATE"):
            connection.execute(f"PRAGMA wal_checkpoint({kind})")
    connection.close()


def exclusive_modes() -> None:
    for mode in MODES:
        for words in ("", "?vfs=unix-excl"):
            connection = opened(f"exclusive-{mode}{len(words)}.db", words)
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute(f"PRAGMA journal_mode={mode}")
            fill(connection)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA locking_mode=NORMAL")
            fill(connection)
            connection.close()


def die_with(name: str, mode: str) -> None:
    """Leave a hot journal, or a log that has to be recovered."""
    child = os.fork()
    if not child:
        connection = opened(name)
        connection.execute(f"PRAGMA journal_mode={mode}")
        fill(connection)
        connection.execute("PRAGMA cache_size=2")
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET x = randomblob(500)")
        os._exit(0)
    os.waitpid(child, 0)


def recoveries() -> None:
    for mode in MODES:
        die_with(f"died-{mode}.db", mode)
        connection = opened(f"died-{mode}.db")
        connection.execute("SELECT count(*) FROM t").fetchall()
        fill(connection)
        connection.close()


def copies() -> None:
    source, target = opened("source.db"), opened("target.db")
    source.execute("PRAGMA page_size=1024")
    fill(source)
    fill(target)
    source.backup(target, pages=3)
    source.execute("VACUUM INTO ?", (str(FOLDER / "into.db"),))
    source.execute("ATTACH ? AS other", (str(FOLDER / "other.db"),))
    source.execute("CREATE TABLE other.o(x)")
    source.execute("BEGIN")
    source.execute("INSERT INTO other.o VALUES (1)")
    source.execute("INSERT INTO t(x) VALUES (1)")
    source.execute("COMMIT")
    target.close()
    source.close()


def threads(mode: str) -> None:
    """Several connections of one process, whose locks the kernel cannot tell apart."""
    first = opened(f"threads-{mode}.db")
    first.execute(f"PRAGMA journal_mode={mode}")
    fill(first)

    def work() -> None:
        connection = opened(f"threads-{mode}.db")
        for _ in range(20):
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("INSERT INTO t(x) VALUES (1)")
                connection.execute("SELECT count(*) FROM t").fetchall()
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    first.close()


every_journal_mode()
exclusive_modes()
recoveries()
copies()
for each in ("delete", "wal"):
    threads(each)
