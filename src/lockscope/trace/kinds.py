"""The words of the trace format: what a segment begins with, and what a record can tell.

Free of numpy on purpose: a worker of the lab imports this page, and the arrays would add a tenth of
a second to the start of each.
"""

from enum import IntEnum
from typing import Final

__all__ = [
    "ANOTHER",
    "BY_DESCRIPTION",
    "ERROR_WITHOUT_CODE",
    "HEADER_BYTES",
    "MAGIC",
    "RECORD_BYTES",
    "SEQUENCE_MODULUS",
    "TEXT_HEAD",
    "VERSION",
    "EndMode",
    "Kind",
    "Method",
    "Mode",
    "Outcome",
    "Recorder",
    "Removal",
]

MAGIC: Final = b"LKSCOPE\n"
VERSION: Final = 1
HEADER_BYTES: Final = 4096
RECORD_BYTES: Final = 48
TEXT_HEAD: Final = b"lockscope text 1\n"
SEQUENCE_MODULUS: Final = 0xFFFFFFFF
"""A record's sequence is its index modulo this, plus one: 0 always means "not written"."""
BY_DESCRIPTION: Final = 4
"""Added to the `mode` of a lock call on an open file description (F_OFD_SETLK)."""
ANOTHER: Final = 1
"""The `mode` of a CLOSE of a descriptor that no lock was ever taken through."""
ERROR_WITHOUT_CODE: Final = 0xFFFF
"""The `error` of a STATEMENT whose exception carries no SQLite result code."""


class Recorder(IntEnum):
    """Who wrote a segment."""

    NATIVE = 1
    WORKER = 2
    SUPERVISOR = 3
    SAMPLER = 4


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
    SEEN = 19
    SAMPLES = 20
    HOLDER = 21
    REMOVE = 22


class Mode(IntEnum):
    """The `mode` of a lock request: what `l_type` asked for."""

    UNLOCK = 0
    SHARED = 1
    EXCLUSIVE = 2


class Removal(IntEnum):
    """The `mode` of a REMOVE: how a file lost its name."""

    UNLINKED = 1
    RENAMED = 2
    REPLACED = 3


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
