"""Who has a database open, with which SQLite."""

from collections.abc import Iterable, Mapping
from typing import Final

from lockscope.live.environment import Check, Verdict
from lockscope.live.model import Process
from lockscope.live.versions import known_bugs, libraries

__all__ = ["strays_check", "users_check", "version_checks"]

_LONGEST_COMMAND: Final = 60


def strays_check(strays: Mapping[int, Process]) -> Check:
    """Say who has a deleted or replaced file of the database open."""
    if not strays:
        return Check("replaced", Verdict.FINE, "nobody has a deleted or replaced file of it open")
    return Check(
        "replaced",
        Verdict.FAILED,
        f"{_told(strays)}: has a database open that was deleted or replaced under it; what it "
        "commits is not in the file at this path",
        "Save what is only there while it runs (through that program itself), then restart it. "
        "Replace a database by SQLite's backup, not by moving files.",
    )


def users_check(users: Mapping[int, Process], closed: int, blind: str) -> Check:
    """Say who has the database open.

    Args:
        users: They.
        closed: How many processes may not be looked into.
        blind: Why the locks cannot be seen, which name whoever uses it even where its process may
            not be looked into; empty where they can.
    """
    told = _told(users) if users else "nobody that can be seen"
    if blind:
        return Check("open in", Verdict.UNKNOWN, told, blind)
    if closed:
        told += f"; {closed} processes of other users cannot be looked into"
    return Check("open in", Verdict.FINE, told)


def _told(processes: Mapping[int, Process]) -> str:
    return ", ".join(
        f"pid {pid} ({' '.join(process.command.split())[:_LONGEST_COMMAND] or 'unknown'})"
        for pid, process in processes.items()
    )


def version_checks(pids: Iterable[int], *, is_wal: bool) -> Iterable[Check]:
    """Say which version has the database open where, one check for each, and its known bugs."""
    by_version: dict[str, dict[str, list[str]]] = {}
    for pid in pids:
        for version, path in _copies(pid):
            by_version.setdefault(version, {}).setdefault(path, []).append(str(pid))
    for version, users in sorted(by_version.items()):
        told = ", ".join(f"{path} (pid {', '.join(who)})" for path, who in users.items())
        yield _version(version, told, is_wal=is_wal)


def _copies(pid: int) -> list[tuple[str, str]]:
    """Version and path of each copy of SQLite in a process; one without a version for none."""
    found = libraries(pid)
    if found is None:
        return [("", "may not be looked into")]
    return [(one.version, one.path) for one in found] or [("", "no SQLite found in it")]


def _version(version: str, users: str, *, is_wal: bool) -> Check:
    if not version:
        return Check(
            "SQLite unknown",
            Verdict.UNKNOWN,
            users,
            "Ask that program: SELECT sqlite_version().",
        )
    name = f"SQLite {version}"
    bugs = known_bugs(version, is_wal=is_wal)
    if not bugs:
        return Check(name, Verdict.FINE, f"{users}: no locking bug of it is known here")
    told = "; ".join(f"{bug.sentence} ({bug.source})" for bug in bugs)
    return Check(
        name,
        Verdict.WARNING,
        f"{users}: {told}",
        f"Update to SQLite {bugs[0].fixed} or later; ask your distributor whether it is mended "
        "already under the same number.",
    )
