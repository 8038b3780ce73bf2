"""The modes of a lock, and which of them conflict."""

from enum import IntEnum

__all__ = ["LockMode", "conflict"]


class LockMode(IntEnum):
    """How a resource is locked; a higher mode includes what a lower one permits."""

    NONE = 0
    SHARED = 1
    EXCLUSIVE = 2


def conflict(held: LockMode, wanted: LockMode) -> bool:
    """Whether a lock held by one process is in the way of what another wants: `fcntl(2)`, advisory
    locks.
    """
    return (
        LockMode.EXCLUSIVE in (held, wanted)
        and held is not LockMode.NONE
        and wanted is not LockMode.NONE
    )
