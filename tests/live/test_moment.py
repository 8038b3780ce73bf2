"""Rows of a moment: what a lane and a snapshot tell of one process, put together."""

from typing import Literal

import pytest

from lockscope.live.lanes import Lane, Mark
from lockscope.live.model import HeldLock, Holder, Opener, Process, Snapshot, Waiter
from lockscope.live.moment import Row, rows_of

S = 1_000_000_000
DB = "/srv/app.db"


def lane(mark: Mark = Mark.WRITE, since: int | None = 40, waits: int | None = None) -> Lane:
    return Lane(
        DB,
        7,
        ((40 * S, mark),),
        None if since is None else since * S,
        None if waits is None else waits * S,
    )


def snapshot(
    *, holder: Holder | None = None, waiter: Waiter | None = None, opener: Opener | None = None
) -> Snapshot:
    return Snapshot(
        database=DB,
        at="",
        write_locked=holder is not None and holder.writes,
        holders=() if holder is None else (holder,),
        waiters=() if waiter is None else (waiter,),
        attached=() if opener is None else (opener,),
        wal=None,
        notes=(),
    )


def held(*names: str) -> tuple[HeldLock, ...]:
    return tuple(HeldLock(name, DB, "") for name in names)


def row(of: Lane, seen: Snapshot, known: Process | None = None) -> Row:
    [found] = rows_of([of], [seen], {} if known is None else {7: known}, 50 * S)
    return found


@pytest.mark.parametrize(
    ("held_s", "held_how", "told"),
    [
        (None, None, (10.0, "sampled")),
        (12.0, "at least", (12.0, "at least")),
        (3.0, "at least", (10.0, "sampled")),
        (3.0, "exact", (3.0, "exact")),
        (30.0, "exact", (30.0, "exact")),
    ],
)
def test_the_best_that_is_known_of_how_long(
    held_s: float | None, held_how: Literal["exact", "at least"] | None, told: tuple[float, str]
) -> None:
    holder = Holder(Process(7), held("RESERVED"), writes=True)
    holder = holder._replace(held_s=held_s, held_how=held_how)
    seen = row(lane(), snapshot(holder=holder))
    assert (seen.held_s, seen.how) == told
    assert seen.locks == ("RESERVED",)


def test_a_waiter_with_a_log_holds_nothing_between_its_tries() -> None:
    waiter = Waiter(Process(7), "WAL WRITE", None, (8,), inferred=True, how="")
    holder = Holder(Process(7), held("SHARED", "WAL READ1", "WAL DMS"), writes=False)
    seen = row(lane(Mark.READ, 49, waits=35), snapshot(holder=holder, waiter=waiter))
    assert (seen.locks, seen.wants, seen.blockers, seen.held_s) == ((), "WAL WRITE", (8,), 15.0)


def test_a_waiter_that_holds_what_it_waits_with_shows_both() -> None:
    waiter = Waiter(Process(7), "EXCLUSIVE", None, (8,), inferred=True, how="")
    holder = Holder(Process(7), held("PENDING", "RESERVED", "SHARED"), writes=True)
    seen = row(lane(Mark.PENDING, 45, waits=46), snapshot(holder=holder, waiter=waiter))
    assert (seen.locks[0], seen.wants, seen.held_s) == ("PENDING", "EXCLUSIVE", 5.0)


def test_a_recorded_wait_is_told_exactly() -> None:
    waiter = Waiter(Process(7), "", 9.5, (8,), inferred=False, how="")
    seen = row(lane(Mark.WAIT, None, waits=49), snapshot(waiter=waiter))
    assert (seen.wants, seen.held_s, seen.how) == ("it", 9.5, "exact")


def test_who_is_in_no_snapshot_is_known_from_before() -> None:
    gone = Process(7, "sh", state="gone")
    assert row(lane(Mark.ABSENT, None), snapshot(), gone).process == gone
    assert row(lane(Mark.NOTHING, None), snapshot()).process == Process(7)
    opener = Opener(Process(7, "web"), ())
    assert row(lane(Mark.OPEN, None), snapshot(opener=opener), gone).process.command == "web"
