"""This moment: who holds what of a database, and who waits for it."""

import time
from pathlib import Path
from typing import Final

from lockscope.errors import CaptureError
from lockscope.live.closeup import look_closer
from lockscope.live.files import DatabaseFile, file_at, find_files, journal_head
from lockscope.live.holding import Held
from lockscope.live.model import Holder, Opener, Process, Snapshot, Waiter
from lockscope.live.processes import OpenFile, look_at, open_files
from lockscope.live.sampling import Sampled, sample
from lockscope.live.sight import LockSight
from lockscope.live.traced import recorded
from lockscope.live.unhealthy import Scene, holder_notes, notes
from lockscope.live.waiting import Wait, find_waits
from lockscope.live.wal import read_wal

__all__ = ["look", "who"]

_COARSE_S: Final = 0.01
"""Times of files are those of the kernel's last tick, up to 10 ms ago (`current_time`, HZ=100)."""


def who(path: Path, *, seconds: float = 0.0, stack: bool = True) -> Snapshot:
    """Look who holds what of a database now.

    Reads `/proc/locks`, `/proc/PID` and the headers of the files; takes no lock and waits for
    nobody.

    Args:
        path: The database.
        seconds: For how long to sample before, to tell since when locks are held, and who holds
            them in passing.
        stack: Whether to read the Python stacks of those in the way, by py-spy.

    Raises:
        DatabaseError: There is no database at the path, or it may not be read.
        CaptureError: The kernel's list of locks cannot be read here, or shows nothing of a file
            system that other machines share.
    """
    with LockSight(find_files(path)) as sight:
        return look(sight, sample(sight, seconds) if seconds else None, stack=stack)


def look(sight: LockSight, sampled: Sampled | None = None, *, stack: bool = True) -> Snapshot:
    """Look who holds what now, through a view that stays open.

    Args:
        sight: The view.
        sampled: What was seen by sampling before.
        stack: Whether to read Python stacks.

    Raises:
        CaptureError: Nothing is seen on a file system that other machines share.
    """
    scene = _scene(sight)
    if scene.unfit is not None and not scene.held:
        raise CaptureError(
            f"{scene.files.main.path} lies on a file system that is {scene.unfit}: nobody on this "
            "machine locks it, and the locks of others are not seen here. Look on each of them.",
            path=Path(scene.files.main.path),
        )
    waits, hidden = find_waits(scene.held, _openers(scene), scene.files)
    processes = {pid: look_at(pid) for pid in {*(one.pid for one in scene.held), *waits}}
    holders = look_closer(_holders(scene, processes, waits), stack=stack)
    return Snapshot(
        database=scene.files.main.path,
        at=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        write_locked=any(one.writes for one in scene.held),
        holders=tuple(_since(holder, scene, sampled) for holder in holders),
        waiters=tuple(_waiter(wait, processes[pid]) for pid, wait in waits.items()),
        attached=_attached(scene, processes, waits),
        wal=read_wal(scene.files, scene.held),
        notes=(*notes(scene), *_unseen_waits(hidden)),
        is_wal=scene.files.is_wal,
        sampled=None if sampled is None else sampled.sampling,
    )


def _since(holder: Holder, scene: Scene, sampled: Sampled | None) -> Holder:
    """A holder with the longest time that is proved for what it holds.

    A process that has not run cannot have taken a lock meanwhile, and a journal is written only by
    whoever holds RESERVED from before its first byte until it ends the transaction.
    """
    proofs = [
        holder.idle_s,
        sampled.since_s.get(holder.process.pid) if sampled is not None else None,
        scene.journal_s if _writes_journal(scene, holder) else None,
    ]
    known = [proof for proof in proofs if proof]
    if holder.held_s is not None or not known:
        return holder
    return holder._replace(held_s=max(known), held_how="at least")


def _writes_journal(scene: Scene, holder: Holder) -> bool:
    """Whether the journal is a holder's: a crash may have left one that is somebody else's."""
    journal = scene.files.journal
    return (
        journal is not None
        and any(lock.name == "RESERVED" for lock in holder.locks)
        and any(
            (file.device, file.inode) == (journal.device, journal.inode)
            for file in scene.opened.get(holder.process.pid, ())
        )
    )


def _scene(sight: LockSight) -> Scene:
    opened, unseen = open_files(sight.files.main.path.rpartition("/")[2])
    before = journal_head(sight.files)
    held = sight.held()
    is_settled = sight.is_settled
    # The same journal before and after: nobody was writing it in between, when nobody held a lock.
    journal = before if before and journal_head(sight.files) == before else b""
    return Scene(
        files=sight.files,
        held=held,
        journal=journal,
        journal_s=_age_s(f"{sight.files.main.path}-journal") if journal else None,
        opened=opened,
        unseen=unseen,
        former=_former(sight, opened),
        is_settled=is_settled,
        unfit=sight.unfit,
    )


def _age_s(path: str) -> float | None:
    """For how many seconds at least a file has not been written."""
    file = file_at(path)
    if file is None:
        return None
    age = time.clock_gettime(time.CLOCK_REALTIME) - file.written_at - _COARSE_S
    return age if age > 0 else None


def _former(
    sight: LockSight, opened: dict[int, tuple[OpenFile, ...]]
) -> dict[int, tuple[str, ...]]:
    """Names of the locks that processes hold on files which were deleted, by pid."""
    deleted = {file for files in opened.values() for file in files if not file.links}
    found: dict[int, tuple[str, ...]] = {}
    for file in deleted:
        gone = DatabaseFile(file.path, file.device, file.inode, 0)
        for one in sight.held_of(gone, is_shm=file.path.endswith("-shm")):
            names = tuple(lock.name for lock in one.locks)
            found[one.pid] = found.get(one.pid, ()) + names
    return found


def _openers(scene: Scene) -> set[int]:
    """Who has the database itself open, by whatever name."""
    main = scene.files.main
    return {
        pid
        for pid, files in scene.opened.items()
        if any((file.device, file.inode) == (main.device, main.inode) for file in files)
    }


def _attached(
    scene: Scene, processes: dict[int, Process], waits: dict[int, Wait]
) -> tuple[Opener, ...]:
    """Who has the database open, stands in nobody's way and does not wait."""
    merely = [
        Opener(processes[one.pid], one.locks)
        for one in scene.held
        if one.is_merely_attached and one.pid not in waits
    ]
    idle = _openers(scene) - {one.pid for one in scene.held} - waits.keys()
    openers = [*merely, *(Opener(look_at(pid), ()) for pid in idle)]
    return tuple(sorted(openers, key=lambda opener: opener.process.pid))


def _holders(
    scene: Scene, processes: dict[int, Process], waits: dict[int, Wait]
) -> tuple[Holder, ...]:
    holders = [
        _holder(scene, one, processes[one.pid], waits)
        for one in scene.held
        if not one.is_merely_attached
    ]
    return tuple(
        sorted(
            holders,
            key=lambda holder: (
                holder.process.pid in waits,
                -len(holder.blocks),
                not holder.writes,
                holder.process.pid,
            ),
        )
    )


def _holder(scene: Scene, one: Held, process: Process, waits: dict[int, Wait]) -> Holder:
    told = recorded(one.pid, one, (scene.files.main, scene.files.shm))
    grant = None if told is None else told.grant
    return Holder(
        process,
        one.locks,
        writes=one.writes,
        blocks=tuple(wait.pid for wait in waits.values() if one.pid in wait.blockers),
        held_s=None if grant is None else grant.held_s,
        held_how=None if grant is None else "exact",
        statement=None if grant is None else grant.statement,
        source=None if grant is None else grant.source,
        notes=holder_notes(scene, one, process),
    )


def _waiter(wait: Wait, process: Process) -> Waiter:
    return Waiter(
        process,
        wants=wait.wants,
        waited_s=wait.waited_s,
        blockers=wait.blockers,
        inferred=wait.inferred,
        how=wait.how,
        statement=wait.statement,
        source=wait.source,
    )


def _unseen_waits(hidden: int) -> tuple[str, ...]:
    if not hidden:
        return ()
    number = "1 process" if hidden == 1 else f"{hidden} processes"
    told = (
        f"Of {number} with the database open it cannot be seen whether they wait: that is shown to "
        "root, and to their own user where kernel.yama.ptrace_scope is 0."
    )
    return (told,)
