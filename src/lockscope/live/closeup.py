"""Holders looked at closely: what each is doing, and where in its Python code."""

from collections.abc import Iterable

from lockscope.live.activity import Activity, activity
from lockscope.live.idleness import SchedulerClocks
from lockscope.live.model import Holder
from lockscope.live.stacks import Stack, StackReader, is_python

__all__ = ["look_closer"]


def look_closer(holders: Iterable[Holder], *, stack: bool = True) -> tuple[Holder, ...]:
    """What may be seen of holders from outside, in their order.

    Args:
        holders: As the locks show them.
        stack: Whether to read the Python stacks of those that stand in the way: of those that write
            or are waited for, and where there are none, of all.
    """
    given = tuple(holders)
    pids = [holder.process.pid for holder in given if holder.process.pid]
    reader = StackReader(filter(is_python, _in_the_way(given))) if stack else StackReader(())
    clocks = SchedulerClocks()
    doings = {pid: activity(pid, clocks) for pid in pids}
    stacks = reader.stacks({pid: doing.thread for pid, doing in doings.items()})
    nothing = Activity("")
    return tuple(
        _told(
            holder,
            doings.get(holder.process.pid, nothing),
            stacks.get(holder.process.pid, Stack()),
        )
        for holder in given
    )


def _in_the_way(holders: tuple[Holder, ...]) -> list[int]:
    seen = [holder for holder in holders if holder.process.pid]
    foremost = [holder.process.pid for holder in seen if holder.writes or holder.blocks]
    return foremost or [holder.process.pid for holder in seen]


def _told(holder: Holder, doing: Activity, stack: Stack) -> Holder:
    notes = tuple(f"{note[0].upper()}{note[1:]}." for note in (doing.note, stack.note) if note)
    return holder._replace(
        doing=doing.doing,
        idle_s=doing.idle_s,
        stack=stack.frames,
        source=holder.source or stack.source,
        notes=(*holder.notes, *notes),
    )
