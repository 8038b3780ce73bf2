"""What is not as it should be, by name: what it means, and what it must not be mended with.

Pure functions over what was seen: each gives sentences, none looks at the machine.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from lockscope.live.files import DatabaseFiles
from lockscope.live.holding import Held
from lockscope.live.model import Process
from lockscope.live.processes import OpenFile
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot

__all__ = ["Scene", "holder_notes", "notes"]

_EXCLUSIVE: Final = (Slot.SHARED, LockMode.EXCLUSIVE)
_RESERVED: Final = (Slot.RESERVED, LockMode.EXCLUSIVE)
_STATES: Final = {
    "stopped": "It is stopped (SIGSTOP, Ctrl-Z or a debugger) and keeps its locks until it is "
    "let go on.",
    "zombie": "Its first thread has ended; another of its threads keeps it, and its locks, alive.",
    "uninterruptible": "It waits for a disk or a network file system, where no signal reaches it.",
    "gone": "It ended while it was looked at: its locks are gone with it.",
    "unknown": "/proc hides what it is: run lockscope as its user, or as root.",
}

_CONTAINER: Final = "it runs in another PID namespace (a container)"


class Scene(NamedTuple):
    """What was seen of a database, beside the holders themselves.

    Attributes:
        files: The database.
        held: Who holds what.
        journal: Head of a transaction's journal, the same before and after the locks were looked
            at; empty where there is none.
        journal_s: For how many seconds at least it has not been written; None where unknown.
        opened: Which of its files each process has open, by pid.
        unseen: How many processes may not be looked into.
        former: Who holds locks of files that lay at the paths before: path, pids.
        is_settled: Whether the kernel's list was read whole.
        unfit: Why locks of others may not be seen on this file system; None where they are.
    """

    files: DatabaseFiles
    held: tuple[Held, ...]
    journal: bytes
    journal_s: float | None
    opened: Mapping[int, Sequence[OpenFile]]
    unseen: int
    former: Mapping[int, tuple[str, ...]]
    is_settled: bool
    unfit: str | None


def holder_notes(scene: Scene, one: Held, process: Process) -> tuple[str, ...]:
    """What is unusual about a holder."""
    if not one.pid:
        return (f"Its process cannot be seen from here: {_CONTAINER}, or on another machine.",)
    found = [_STATES.get(process.state, ""), _elsewhere(process), _by_description(one)]
    if process.user is not None and not process.folder and process.state not in ("gone", "zombie"):
        found.append(
            f"It is {process.user}'s: what it does and what it has open may not be read by this "
            "user."
        )
    return tuple(sentence for sentence in [*found, _exclusively(scene, one)] if sentence)


def notes(scene: Scene) -> tuple[str, ...]:
    """What there is to know of the database."""
    found = (
        _hot_journal(scene),
        _log_without_index(scene),
        *_former(scene),
        *_without_locks(scene),
        _unfit(scene),
        ""
        if scene.is_settled
        else "The kernel's list of locks changed each time that it was read: a short lock may be "
        "missing, or shown although it is over.",
        _unseen(scene),
    )
    return tuple(sentence for sentence in found if sentence)


def _elsewhere(process: Process) -> str:
    if process.inner_pid is None:
        return ""
    return f"Seen from here {_CONTAINER}, where its pid is {process.inner_pid}."


def _by_description(one: Held) -> str:
    if not any(lock.by_description for lock in one.locks):
        return ""
    return (
        "Its lock is an open file description's (OFD), which SQLite itself never takes: a child "
        "that inherited the descriptor keeps it too."
    )


def _shares(scene: Scene, one: Held) -> bool:
    """Whether somebody else reads."""
    return any(other.pid != one.pid and other.reads for other in scene.held)


def _exclusively(scene: Scene, one: Held) -> str:
    """Why a process has the whole file for itself, or is about to, where that is no commit."""
    rules = _DRAINING if one.is_draining else _ALONE if _EXCLUSIVE in one.slots else ()
    return next((sentence for applies, sentence in rules if applies(scene, one)), "")


def _hot_journal(scene: Scene) -> str:
    if not scene.journal[:1].strip(b"\0") or any(_RESERVED in one.slots for one in scene.held):
        return ""
    name = scene.files.main.path.rpartition("/")[2] + "-journal"
    if any(_EXCLUSIVE in one.slots for one in scene.held):
        return f"{name} is hot: a crash left it, and it is being rolled back now."
    pids = [pid for pid, files in scene.opened.items() if _uses(scene, files)]
    first = f"pid {pids[0]} at its next statement" if pids else "the next process that opens it"
    return (
        f"{name} is hot: a process ended within a transaction, and {first} rolls it back. "
        f"Never delete or move {name}: half of a transaction would stay."
    )


def _log_without_index(scene: Scene) -> str:
    files = scene.files
    if files.wal is None or files.wal.size == 0 or files.shm is not None:
        return ""
    if any(_EXCLUSIVE in one.slots for one in scene.held):
        return ""
    name = files.main.path.rpartition("/")[2]
    return (
        f"{name}-wal has no {name}-shm beside it: a crash or a copy left it, and the next process "
        f"that opens the database reads it in again. Never delete {name}-wal: it may hold "
        "committed transactions."
    )


def _former(scene: Scene) -> list[str]:
    """Processes that use a file which lay at a path before."""
    current = {file.path: (file.device, file.inode) for file in _present(scene.files)}
    by_name = {path.rpartition("/")[2]: identity for path, identity in current.items()}
    found = []
    for pid, files in scene.opened.items():
        # One that has only the log open under its old name had its database renamed.
        lost = sorted({file.path for file in files if _is_former(file, by_name, scene)})
        if not lost:
            continue
        locks = scene.former.get(pid, ())
        holding = f" and holds {', '.join(locks)} there" if locks else ""
        found.append(
            f"pid {pid} still uses {' and '.join(lost)} as it was before it was deleted or "
            f"replaced{holding}: neither side sees the other's locks, and what it writes there is "
            "lost. Restart it, and find out what replaced the file."
        )
    return found


def _is_former(file: OpenFile, by_name: Mapping[str, tuple[int, int]], scene: Scene) -> bool:
    name, main = file.path.rpartition("/")[2], scene.files.main.path.rpartition("/")[2]
    # A journal and a log are deleted in the ordinary course of things.
    if name not in (main, main + "-shm") or file.path.rpartition("/")[0] != _folder(scene):
        return False
    return by_name.get(name) != (file.device, file.inode)


def _folder(scene: Scene) -> str:
    return scene.files.main.path.rpartition("/")[0]


def _present(files: DatabaseFiles) -> list[OpenFile]:
    return [
        OpenFile(file.path, file.device, file.inode, 1)
        for file in (files.main, files.wal, files.shm, files.journal)
        if file is not None
    ]


def _without_locks(scene: Scene) -> list[str]:
    """Processes that have a WAL database and its index open and hold nothing of either."""
    if not scene.files.is_wal or scene.files.shm is None:
        return []
    shm = scene.files.shm
    holding = {one.pid for one in scene.held}
    return [
        f"pid {pid} has the database and its -shm open and holds no lock of either: it lost them, "
        "as happens when a program closes another descriptor of the file. Restart it before it "
        "writes."
        for pid, files in scene.opened.items()
        if pid not in holding
        and _uses(scene, files)
        and any((file.device, file.inode) == (shm.device, shm.inode) for file in files)
    ]


def _uses(scene: Scene, files: Sequence[OpenFile]) -> bool:
    main = scene.files.main
    return any((file.device, file.inode) == (main.device, main.inode) for file in files)


def _unfit(scene: Scene) -> str:
    if scene.unfit is None:
        return ""
    return (
        f"The file system is {scene.unfit}: only the locks of this machine are seen here, and "
        "somebody elsewhere may hold more."
    )


def _unseen(scene: Scene) -> str:
    if not scene.unseen or scene.files.is_wal:
        return ""  # in WAL mode whoever has it open holds a lock, and is shown
    number = "1 process" if scene.unseen == 1 else f"{scene.unseen} processes"
    return (
        f"{number} of other users may not be looked into: locks of theirs are shown all the same, "
        "but not who merely has the file open."
    )


_Rule = tuple[Callable[[Scene, Held], bool], str]
_DRAINING: Final[tuple[_Rule, ...]] = (
    (
        lambda scene, one: not one.is_wal and not _shares(scene, one),
        (
            "Nobody reads any more, and yet it keeps PENDING, which locks readers out too: a "
            "COMMIT that failed has to be rolled back, or tried again."
        ),
    ),
)
_ALONE: Final[tuple[_Rule, ...]] = (
    (
        lambda scene, one: one.is_wal and scene.files.shm is None,
        (
            "There is no -shm: it uses PRAGMA locking_mode=EXCLUSIVE, or is the last to close the "
            "database."
        ),
    ),
    (
        lambda _, one: one.is_wal,
        "It is the last to close the database: it copies the log back and removes it.",
    ),
    (
        lambda _, one: _RESERVED not in one.slots,
        "It rolls a hot journal back, which a crash left: let it finish.",
    ),
    (
        lambda scene, _: not scene.journal,
        (
            "It has nothing to write: it is at the beginning of BEGIN EXCLUSIVE, or uses PRAGMA "
            "locking_mode=EXCLUSIVE and keeps the lock until it closes."
        ),
    ),
)
"""Of each the first that applies is said."""
