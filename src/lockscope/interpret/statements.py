"""Where no lock could be recorded: what statements alone tell of SQLite's write lock.

A write statement that returned took the write lock, and kept it until its connection's COMMIT,
ROLLBACK or close returned; one that failed with SQLITE_BUSY waited for it in vain. Coarser than
recorded locks: readers' locks do not show, and a statement that was merely slow looks as if it had
waited.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lockscope.interpret.files import DatabaseFiles
from lockscope.interpret.model import EVENT, PAUSE, Cause, Events, Verdict
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot
from lockscope.trace.kinds import Method
from lockscope.trace.model import Trace

__all__ = ["infer_events"]

_BUSY: Final = 5
"""SQLITE_BUSY, the low byte of every extended code of its family (`sqlite3.h`)."""
_WRITES: Final = (
    "INSERT",
    "UPDATE",
    "DELETE",
    "REPLACE",
    "CREATE",
    "DROP",
    "ALTER",
    "REINDEX",
    "VACUUM",
)
_WAITED_NS: Final = 1_000_000
"""The first sleep of SQLite's busy handler (`main.c`, sqliteDefaultBusyCallback): who took less did
not wait."""


def infer_events(trace: Trace, statements: Events) -> tuple[DatabaseFiles, Events, Events]:
    """The databases, lock events and pauses that a trace's statements imply."""
    paths = tuple(dict.fromkeys(file.path for file in trace.files[1:])) or ("database",)
    files = DatabaseFiles(
        paths[:1],
        (paths[0].rsplit("/", 1)[-1],),
        np.zeros(len(trace.files), np.int64),
        np.zeros(len(trace.files), np.bool_),
        np.zeros(len(trace.files), np.uint8),
    )
    inference = _Inference()
    for statement in statements:
        sql = trace.contexts[int(statement["context"])].statement
        inference.take(statement, sql.upper().lstrip())
    for place, process in enumerate(trace.processes):
        if process.ended_ns:
            inference.end(place, process.ended_ns)
    events = np.array(inference.events, EVENT)
    return (
        files,
        events[np.argsort(events["began_ns"], kind="stable")],
        np.array(inference.pauses, PAUSE),
    )


@dataclass(slots=True)
class _Inference:
    """The write lock of each connection while its statements go by."""

    events: list[tuple[int, ...]] = field(default_factory=list)
    pauses: list[tuple[int, ...]] = field(default_factory=list)
    _holding: set[tuple[int, int]] = field(default_factory=set)

    def take(self, statement: np.void, sql: str) -> None:
        connection = (int(statement["process"]), int(statement["connection"]))
        held = connection in self._holding
        error = int(statement["error"])
        if error & 0xFF == _BUSY:
            self._denied(statement)
        elif error == 0 and not held and _takes_write_lock(int(statement["method"]), sql):
            self._granted(statement)
            self._holding.add(connection)
        elif error == 0 and held and _ends_transaction(int(statement["method"]), sql):
            self._event(statement, LockMode.NONE, Verdict.RELEASED)
            self._holding.discard(connection)

    def end(self, process: int, at_ns: int) -> None:
        self.events.append(
            (
                at_ns,
                at_ns,
                process,
                0,
                int(Slot.RESERVED),
                0,
                LockMode.NONE,
                Verdict.RELEASED,
                Cause.EXIT,
                0,
            )
        )

    def _granted(self, statement: np.void) -> None:
        began, ended = int(statement["began_ns"]), int(statement["ended_ns"])
        if ended - began >= _WAITED_NS:
            self._waited(statement, began, ended)
        self._event(statement, LockMode.EXCLUSIVE, Verdict.GRANTED, ended)

    def _denied(self, statement: np.void) -> None:
        began, ended = int(statement["began_ns"]), int(statement["ended_ns"])
        if ended - began >= _WAITED_NS:
            self._waited(statement, began, ended)
        self._event(statement, LockMode.EXCLUSIVE, Verdict.DENIED, ended)

    def _waited(self, statement: np.void, began: int, ended: int) -> None:
        self._event(statement, LockMode.EXCLUSIVE, Verdict.DENIED, began, began)
        thread = (int(statement[name]) for name in ("process", "thread", "context"))
        self.pauses.append((began, ended, ended - began, *thread))

    def _event(
        self, statement: np.void, mode: LockMode, verdict: Verdict, began: int = 0, ended: int = 0
    ) -> None:
        process, thread, context = (
            int(statement[name]) for name in ("process", "thread", "context")
        )
        began_ns = began or int(statement["began_ns"])
        ended_ns = ended or int(statement["ended_ns"])
        self.events.append(
            (
                began_ns,
                ended_ns,
                process,
                thread,
                int(Slot.RESERVED),
                context,
                mode,
                verdict,
                Cause.UNLOCK,
                0,
            )
        )


def _takes_write_lock(method: int, sql: str) -> bool:
    if method not in (Method.EXECUTE, Method.EXECUTEMANY, Method.EXECUTESCRIPT):
        return False
    return sql.startswith((*_WRITES, "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"))


def _ends_transaction(method: int, sql: str) -> bool:
    if method in (Method.COMMIT, Method.ROLLBACK, Method.CLOSE_CONNECTION):
        return True
    return sql.startswith(("COMMIT", "END", "ROLLBACK")) and not sql.startswith("ROLLBACK TO")
