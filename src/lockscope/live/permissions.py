"""Who may read and write a database's files, and whether one of them would be refused."""

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from lockscope.live.environment import Check, Verdict
from lockscope.live.files import DatabaseFiles

__all__ = ["permission_checks"]

_READ_AND_WRITE: Final = 0o666
_CLASSES: Final = (("owner", 0o600), ("group", 0o060), ("others", 0o006))


def permission_checks(files: DatabaseFiles) -> Iterable[Check]:
    """Look at the permissions of the folder and of all files that are there."""
    yield _folder(files)
    main = os.stat(files.main.path)  # noqa: PTH116
    yield _file(files.main.path, main)
    for file in (files.wal, files.shm, files.journal):
        if file is not None:
            with contextlib.suppress(FileNotFoundError):  # it ended with its transaction
                yield _beside(files.main.path, main, file.path)


def _folder(files: DatabaseFiles) -> Check:
    """A transaction makes a `-journal`, or a `-wal` and a `-shm`, in the database's folder."""
    folder = str(Path(files.main.path).parent)
    status = os.stat(folder)  # noqa: PTH116
    found = f"{_owner(status)}: {_allowed(folder, 'make files in it', os.W_OK | os.X_OK)}"
    if _may(folder, os.W_OK | os.X_OK):
        return Check("folder", Verdict.FINE, found)
    advice = (
        "To write, a user needs to write in the folder too: SQLite keeps a transaction's journal "
        "there."
    )
    return Check("folder", Verdict.WARNING, found, advice)


def _file(path: str, status: os.stat_result) -> Check:
    name = Path(path).name
    if _may(path, os.R_OK | os.W_OK):
        return Check(name, Verdict.FINE, f"{_owner(status)}: {_user()} may read and write it")
    return Check(
        name,
        Verdict.WARNING,
        f"{_owner(status)}: {_user()} may read it, not write it",
        "Run programs that write as its owner, or as a user of its group.",
    )


def _beside(database: str, main: os.stat_result, path: str) -> Check:
    """A file beside the database that grants less than it: who may use the one is refused by the
    other, with "unable to open database file" or "attempt to write a readonly database".
    """
    name = Path(path).name
    # By a descriptor: at the path another transaction's journal may lie a moment later.
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        is_allowed = _may(f"/proc/self/fd/{descriptor}", os.R_OK | os.W_OK)
    finally:
        os.close(descriptor)
    refused = _refused(main, status)
    if not refused and (is_allowed or not _may(database, os.R_OK | os.W_OK)):
        return Check(name, Verdict.FINE, f"{_owner(status)}, as the database")
    who = f"{refused} may use the database and not this" if refused else f"{_user()} is refused"
    return Check(
        name,
        Verdict.WARNING,
        f"{_owner(status)}, the database {_owner(main)}: {who}",
        f"Give it the owner and the mode of the database (chown, chmod: --reference={database}), "
        "and run all programs that use it as one user or group.",
    )


def _refused(main: os.stat_result, status: os.stat_result) -> str:
    """Who may read or write the database, and not the file beside it; empty for nobody."""
    missing = main.st_mode & ~status.st_mode & _READ_AND_WRITE
    refused = [name for name, bits in _CLASSES if missing & bits]
    if status.st_uid != main.st_uid and "owner" not in refused:
        refused.insert(0, "the owner of the database")
    if status.st_gid != main.st_gid and main.st_mode & 0o060 and "group" not in refused:
        refused.append("its group")
    return ", ".join(refused)


def _owner(status: os.stat_result) -> str:
    import grp  # noqa: PLC0415 - not on every system
    import pwd  # noqa: PLC0415

    try:
        user = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        user = str(status.st_uid)
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    return f"{stat.filemode(status.st_mode)[1:]} {user}:{group}"


def _user() -> str:
    import pwd  # noqa: PLC0415

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def _may(path: str, how: int) -> bool:
    return os.access(path, how, effective_ids=os.access in os.supports_effective_ids)


def _allowed(path: str, what: str, how: int) -> str:
    return f"{_user()} {'may' if _may(path, how) else 'may not'} {what}"
