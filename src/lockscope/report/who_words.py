"""Who holds what, in a sentence: the first line of `lockscope who`, and what `explain` says."""

import os.path

from lockscope.live.model import Holder, Process, Snapshot
from lockscope.report.plain import printable, seconds_text

__all__ = ["headline", "named", "short_command", "writer_of"]

_LONGEST = 48


def headline(snapshot: Snapshot) -> str:
    """The answer in one sentence."""
    name = printable(os.path.basename(snapshot.database))  # noqa: PTH119 - a string's end
    if not snapshot.write_locked:
        return _not_locked(snapshot, name)
    writer = writer_of(snapshot)
    if writer is None:
        return f"{name} is write-locked, by a process that cannot be seen from here."
    return f"{name} is write-locked by {named(writer.process)}{_how(snapshot, writer)}."


def writer_of(snapshot: Snapshot) -> Holder | None:
    """The holder that refuses writes; of several, the one listed first."""
    return next((holder for holder in snapshot.holders if holder.writes), None)


def named(process: Process) -> str:
    """A process as people name it: `pid 4242 (python worker.py)`."""
    if not process.pid:
        return "a process that cannot be seen from here"
    command = short_command(process.command)
    return f"pid {process.pid} ({command})" if command else f"pid {process.pid}"


def short_command(command: str) -> str:
    """A command line without the folders of its program and its script, and not too long."""
    words = command.split(" ")
    bare = [
        os.path.basename(word) if place < 2 and word.startswith("/") else word  # noqa: PTH119
        for place, word in enumerate(words)
    ]
    text = printable(" ".join(bare))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _not_locked(snapshot: Snapshot, name: str) -> str:
    readers = snapshot.holders
    if not readers:
        return f"{name} is not locked by anybody."
    who = named(readers[0].process) if len(readers) == 1 else f"{len(readers)} processes"
    verb = "reads" if len(readers) == 1 else "read"
    if snapshot.is_wal:
        return f"{name} is not write-locked; {who} {verb} it, which stops no writer."
    return f"{name} is not write-locked; {who} {verb} it, and a commit has to wait for that."


def _how(snapshot: Snapshot, writer: Holder) -> str:
    """In which state it holds the lock, and since when."""
    before = next(
        (holder for holder in snapshot.holders if writer.process.pid in holder.blocks), None
    )
    if before is not None:
        return f", which waits to commit until {named(before.process)} has read to the end"
    if writer.process.state in ("stopped", "zombie"):
        return f", which is {writer.process.state}" + _since(writer)
    if writer.idle_s is not None:
        return f", asleep in its transaction for {seconds_text(writer.idle_s)}"
    return _since(writer)


def _since(writer: Holder) -> str:
    if writer.held_s is None:
        return ""
    how = "at least " if writer.held_how == "at least" else ""
    return f", for {how}{seconds_text(writer.held_s)}"
