"""The trace on disk, as numbers: `capture/native/record.h` in Python.

A segment is a header of `HEADER_BYTES` followed by records of `RECORD.itemsize` bytes; beside it lies a text
file, and a *text* in a record is a byte offset into that file (0 for none). `docs/trace-format.md` tells what
each field means for each kind; `tests/trace/test_codec.py` holds this page and the C header together.
"""

from enum import IntEnum
from typing import Final

import numpy as np

__all__ = [
    "ERROR_WITHOUT_CODE",
    "HEADER",
    "HEADER_BYTES",
    "MAGIC",
    "MERGED",
    "RECORD",
    "SEQUENCE_MODULUS",
    "TEXT_HEAD",
    "VERSION",
    "EndMode",
    "Kind",
    "Method",
    "Mode",
    "Outcome",
    "Recorder",
]

MAGIC: Final = b"LKSCOPE\n"
VERSION: Final = 1
HEADER_BYTES: Final = 4096
TEXT_HEAD: Final = b"lockscope text 1\n"
SEQUENCE_MODULUS: Final = 0xFFFFFFFF
"""A record's sequence is its index modulo this, plus one: 0 always means "not written"."""
ERROR_WITHOUT_CODE: Final = 0xFFFF
"""The `error` of a STATEMENT whose exception carries no SQLite result code."""


class Recorder(IntEnum):
    """Who wrote a segment."""

    NATIVE = 1
    WORKER = 2
    SUPERVISOR = 3


class Kind(IntEnum):
    """What a record tells."""

    PROCESS = 1
    FORK = 2
    EXEC = 3
    EXIT = 4
    FILE = 5
    CONTEXT = 6
    LOCK = 7
    LOCK_WAIT = 8
    LOCK_TEST = 9
    SLEEP = 10
    SYNC = 11
    WRITES = 12
    CLOSE = 13
    STATEMENT = 14
    ATTEMPT = 15
    OUTCOME = 16
    ENDED = 17
    NOTE = 18


class Mode(IntEnum):
    """The `mode` of a lock request: what `l_type` asked for."""

    UNLOCK = 0
    SHARED = 1
    EXCLUSIVE = 2


class Method(IntEnum):
    """The `mode` of a STATEMENT: which driver call it was."""

    CONNECT = 1
    EXECUTE = 2
    EXECUTEMANY = 3
    EXECUTESCRIPT = 4
    FETCH = 5
    COMMIT = 6
    ROLLBACK = 7
    CLOSE_CONNECTION = 8
    BACKUP = 9
    OTHER = 10


class Outcome(IntEnum):
    """The `mode` of an OUTCOME: how an attempt ended for the worker."""

    COMMITTED = 1
    FAILED = 2
    UNKNOWN = 3


class EndMode(IntEnum):
    """The `mode` of an ENDED: what the supervisor knows of a process's end."""

    UNSEEN = 0
    EXITED = 1
    SIGNALLED = 2


_FIELDS: Final = [
    ("began_ns", "<u8"),
    ("duration_ns", "<u8"),
    ("start", "<u8"),
    ("length", "<u4"),
    ("thread", "<u4"),
    ("file", "<u4"),
    ("context", "<u4"),
    ("kind", "u1"),
    ("mode", "u1"),
    ("error", "<u2"),
]

RECORD: Final = np.dtype([*_FIELDS, ("sequence", "<u4")])
"""One record as it lies in a segment: 48 bytes."""

MERGED: Final = np.dtype([*_FIELDS, ("process", "<u4")])
"""One record after merging: numbers of files and contexts hold for the whole trace, and `process` has taken
the place of `sequence`, so that merging ten million records needs no room for an eleventh field."""

HEADER: Final = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("header_bytes", "<u4"),
        ("record_bytes", "<u4"),
        ("pid", "<u4"),
        ("started_ns", "<u8"),
        ("process_start", "<u8"),
        ("recorder", "<u4"),
        ("reserved", "<u4"),
        ("next", "<u8"),
        ("text_used", "<u8"),
        ("lost", "<u8"),
        ("blind_ns", "<u8"),
    ]
)
