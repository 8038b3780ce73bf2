"""Which databases this very process has open, without opening any."""

import os
import stat
from typing import Final

__all__ = ["own_databases"]

_MAGIC: Final = b"SQLite format 3\0"
_FOLDER: Final = "/proc/self/fd"


def own_databases() -> tuple[str, ...]:
    """Paths of the SQLite databases that this process has open.

    Read through the descriptors that the process has already: one that was opened here would, when
    it is closed, drop the process's locks.
    """
    try:
        numbers = os.listdir(_FOLDER)  # noqa: PTH208
    except OSError:
        return ()
    return tuple(sorted({path for number in numbers if (path := _database(int(number)))}))


def _database(descriptor: int) -> str:
    """The path behind a descriptor, empty where it is no database."""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""  # a read could take away what somebody else waits for
        if os.pread(descriptor, len(_MAGIC), 0) != _MAGIC:
            return ""
        return os.readlink(f"{_FOLDER}/{descriptor}").removesuffix(" (deleted)")  # noqa: PTH115
    except OSError:
        return ""  # closed meanwhile, or open to write alone
