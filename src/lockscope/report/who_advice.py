"""What to do next about a lock: the safe step first.

Never `kill -9` first: what the process had not committed would be lost without its own clean-up.
Never delete a `-journal` or `-wal`: it holds pages that the database needs. Never `nolock`.
"""

from typing import Final

from lockscope.live.model import Holder, Snapshot
from lockscope.report.who_words import named, writer_of

__all__ = ["next_step"]

_PASSING: Final = 1.0
"""Seconds after which a hold is no longer one that passes by itself."""


def next_step(snapshot: Snapshot) -> str:
    """The next step, as a sentence or two; empty where nothing is to be done."""
    root = snapshot.holders[0] if snapshot.waiters and snapshot.holders else writer_of(snapshot)
    if root is None:
        return ""
    if not root.process.pid:
        return "look from the host, or from the container in which the holder runs."
    if root.process.state == "stopped":
        return (
            f"let it go on with `kill -CONT {root.process.pid}` (or end the debugger that stopped "
            "it): it can then end its transaction."
        )
    return _ask(root)


def _ask(root: Holder) -> str:
    pid = root.process.pid
    place = f" at {root.source}" if root.source else ""
    if root.idle_s is not None and root.idle_s > _PASSING:
        return (
            f"have {named(root.process)} commit or roll back{place}. If it is forgotten, end it "
            f"with `kill {pid}`: its open transaction is rolled back and the lock is gone with it."
        )
    return (
        f"wait for it; if it does not end, `lockscope who --watch` shows whether pid {pid} makes "
        f"progress, and `kill {pid}` ends it with its open transaction rolled back."
    )
