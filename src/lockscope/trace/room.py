"""The room of a trace that has a greatest size: one page that its processes share.

Standard library only: it is made before the command is started.
"""

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

__all__ = ["ROOM_NAME", "Room", "RoomState"]

ROOM_NAME: Final = "room"
_STATE: Final = struct.Struct("<QQQQQ")
_FREED: Final = struct.Struct("<QQQ")
_PAGE: Final = 4096


@dataclass(frozen=True, slots=True)
class RoomState:
    """What the page says, all in bytes but for the last two.

    Attributes:
        limit: Bytes that the whole trace may have.
        taken: Bytes that recorders have taken so far.
        freed: Bytes of the files that were taken away again.
        removed: Segments that were taken away.
        removed_ns: When the last of their processes had ended.
    """

    limit: int
    taken: int
    freed: int
    removed: int
    removed_ns: int

    @classmethod
    def read(cls, trace: Path) -> Self | None:
        """The state of a trace's room; None where the trace has none, or a damaged one."""
        try:
            return cls(*_STATE.unpack_from((trace / ROOM_NAME).read_bytes()))
        except (OSError, struct.error):
            return None

    @property
    def used(self) -> int:
        """Bytes that lie in the folder."""
        return max(0, self.taken - self.freed)


class Room:
    """The page, made for a new trace, mapped while it is recorded.

    Args:
        trace: The trace's folder.
        limit: Bytes that the whole trace may have.
    """

    def __init__(self, trace: Path, limit: int) -> None:
        descriptor = os.open(trace / ROOM_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, _STATE.pack(limit, 0, 0, 0, 0).ljust(_PAGE, b"\0"))
            self._page = mmap.mmap(descriptor, _PAGE)
        finally:
            os.close(descriptor)

    @property
    def state(self) -> RoomState:
        """What the page says now."""
        return RoomState(*_STATE.unpack_from(self._page))

    def free(self, bytes_: int, ended_ns: int) -> None:
        """Tell that one segment of so many bytes was taken away."""
        state = self.state
        ended_ns = max(state.removed_ns, ended_ns)
        # These fields have one writer only; the recorders count in the others at the same time.
        _FREED.pack_into(self._page, 16, state.freed + bytes_, state.removed + 1, ended_ns)
