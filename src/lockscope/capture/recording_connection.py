"""A connection that records its statements, for where no native recorder can be preloaded.

Coarser than recorded locks: who held the write lock is inferred later from what each statement did
and how long it took.
"""

import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, cast

from lockscope.trace.kinds import ERROR_WITHOUT_CODE, Kind, Method
from lockscope.trace.writer import SegmentWriter

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["recording_connection"]

_Result = TypeVar("_Result")
_LITERAL: Final = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
_PACKAGE: Final = Path(__file__).parents[1]
_SKIPPED: Final = (
    "<frozen ",
    __file__,
    str(_PACKAGE / "remedies") + os.sep,
    str(_PACKAGE / "lab" / "worker.py"),
)
"""Where code runs between a workload and the driver: a place there would explain nothing."""


class _Statements:
    """What all connections of a process share: its segment, and the places met so far."""

    def __init__(self, writer: SegmentWriter) -> None:
        self._writer = writer
        self._contexts: dict[tuple[str, str], int] = {}
        self._files: dict[str, int] = {}

    def met(self, database: str | Path) -> None:
        """Record which file a connection was opened to."""
        path = str(Path(database).absolute())
        if path in self._files:
            return
        self._files[path] = len(self._files) + 1
        # Not opened: closing any descriptor of it would drop this process's locks, fcntl(2).
        status = Path(path).stat()
        self._writer.record(
            Kind.FILE,
            began_ns=time.monotonic_ns(),
            file=self._files[path],
            start=status.st_ino,
            duration_ns=status.st_dev,
            length=self._writer.text(path),
        )

    def run(
        self, method: Method, connection: object, sql: str, call: Callable[[], _Result]
    ) -> _Result:
        """Make one call into the driver, and record it with its result."""
        context = self._context(sql)
        began_ns = time.monotonic_ns()
        error = message = 0
        try:
            return call()
        except sqlite3.Error as raised:
            error = getattr(raised, "sqlite_errorcode", ERROR_WITHOUT_CODE) & 0xFFFF
            message = self._writer.text(str(raised))
            raise
        finally:
            self._writer.record(
                Kind.STATEMENT,
                began_ns=began_ns,
                duration_ns=time.monotonic_ns() - began_ns,
                mode=method,
                start=id(connection),
                context=context,
                error=error,
                length=message,
            )

    def _context(self, sql: str) -> int:
        place = (_LITERAL.sub("?", sql), _source())
        number = self._contexts.get(place)
        if number is None:
            number = self._contexts[place] = len(self._contexts) + 1
            self._writer.record(
                Kind.CONTEXT,
                began_ns=time.monotonic_ns(),
                context=number,
                length=self._writer.text(place[0]),
                file=self._writer.text(place[1]),
            )
        return number


def _source() -> str:
    # The inspect module would cost every worker 15 ms of its start.
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None and frame.f_code.co_filename.startswith(_SKIPPED):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


class _Cursor(sqlite3.Cursor):
    """A cursor that records what it executes."""

    def execute(self, sql: str, parameters: Any = (), /) -> "_Cursor":  # noqa: ANN401 - as sqlite3
        execute = super().execute
        return self._run(Method.EXECUTE, sql, lambda: execute(sql, parameters))

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> "_Cursor":
        executemany = super().executemany
        return self._run(Method.EXECUTEMANY, sql, lambda: executemany(sql, parameters))

    def executescript(self, sql: str, /) -> "_Cursor":
        executescript = super().executescript
        return self._run(Method.EXECUTESCRIPT, sql, lambda: executescript(sql))

    def _run(self, method: Method, sql: str, call: Callable[[], object]) -> "_Cursor":
        connection = cast("_Connection", self.connection)
        connection.statements.run(method, connection, sql, call)
        return self


class _Connection(sqlite3.Connection):
    """A connection that records what it does."""

    statements: ClassVar[_Statements]

    def __init__(self, database: str | Path, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(database, *arguments, **options)
        self.statements.met(database)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        return self.cursor().executemany(sql, parameters)

    def executescript(self, sql: str, /) -> sqlite3.Cursor:
        return self.cursor().executescript(sql)

    if not TYPE_CHECKING:  # its type has two overloads, which say no more than that it is a cursor

        def cursor(self, factory=_Cursor):  # noqa: ANN001, ANN202
            return super().cursor(factory)

    def commit(self) -> None:
        self.statements.run(Method.COMMIT, self, "COMMIT", super().commit)

    def rollback(self) -> None:
        self.statements.run(Method.ROLLBACK, self, "ROLLBACK", super().rollback)

    def close(self) -> None:
        self.statements.run(Method.CLOSE_CONNECTION, self, "", super().close)


def recording_connection(writer: SegmentWriter) -> type[sqlite3.Connection]:
    """The class of connections that record their statements into a segment.

    Args:
        writer: The segment.
    """

    class RecordingConnection(_Connection):
        """A connection of this process."""

        statements = _Statements(writer)

    return RecordingConnection
