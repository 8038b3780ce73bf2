"""Lanes, from changes as a sampler writes them."""

import pytest

from lockscope.live.lanes import WINDOW_NS, Change, History, Lane, Mark, mark_of
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import SLOT_RANGES, Slot

S = 1_000_000_000
DB = "/srv/app.db"
SHARED, EXCLUSIVE = LockMode.SHARED, LockMode.EXCLUSIVE


def change(second: float, pid: int, slot: Slot, mode: LockMode, *, came: bool = True) -> Change:
    place = SLOT_RANGES[slot]
    return Change(
        at_ns=int(second * S),
        database=DB,
        is_shm=slot.name.startswith("WAL"),
        pid=pid,
        start=place.first,
        length=place.end - place.first,
        mode=mode,
        came=came,
    )


def only(history: History, second: float) -> Lane:
    [lane] = history.lanes(int(second * S))
    return lane


def letters(lane: Lane, second: float, count: int) -> str:
    """One for each part: the mark's first letter, capital where it filled its part."""
    cells = lane.cells(int(second * S), count)
    names = [" " if cell.mark is Mark.ABSENT else cell.mark.name[0] for cell in cells]
    return "".join(
        name if cell.is_whole else name.lower() for name, cell in zip(names, cells, strict=True)
    )


@pytest.mark.parametrize(
    ("held", "mark"),
    [
        ([], Mark.NOTHING),
        ([(Slot.SHARED, SHARED)], Mark.READ),
        ([(Slot.PENDING, SHARED)], Mark.READ),
        ([(Slot.SHARED, SHARED), (Slot.RESERVED, EXCLUSIVE)], Mark.WRITE),
        ([(Slot.SHARED, SHARED), (Slot.PENDING, EXCLUSIVE)], Mark.PENDING),
        ([(Slot.SHARED, EXCLUSIVE), (Slot.PENDING, EXCLUSIVE)], Mark.EXCLUSIVE),
        ([(Slot.SHARED, SHARED), (Slot.WAL_DMS, SHARED)], Mark.OPEN),
        ([(Slot.SHARED, SHARED), (Slot.WAL_DMS, SHARED), (Slot.WAL_READ0, SHARED)], Mark.READ),
        ([(Slot.WAL_DMS, SHARED), (Slot.WAL_READ3, EXCLUSIVE)], Mark.READ),
        ([(Slot.WAL_DMS, SHARED), (Slot.WAL_WRITE, EXCLUSIVE)], Mark.WRITE),
        ([(Slot.WAL_DMS, SHARED), (Slot.WAL_CKPT, EXCLUSIVE)], Mark.CHECKPOINT),
        ([(Slot.WAL_DMS, SHARED), (Slot.WAL_READ0, EXCLUSIVE)], Mark.CHECKPOINT),
        ([(Slot.WAL_RECOVER, EXCLUSIVE)], Mark.EXCLUSIVE),
        ([(Slot.WAL_DMS, EXCLUSIVE)], Mark.EXCLUSIVE),
        ([(Slot.WAL_WRITE, SHARED)], Mark.OPEN),
    ],
)
def test_the_strongest_lock_is_the_mark(held: list[tuple[Slot, LockMode]], mark: Mark) -> None:
    assert mark_of(held) is mark


def test_a_lane_is_what_was_held_when() -> None:
    history = History()
    history.take(
        [
            change(70, 7, Slot.SHARED, SHARED),
            change(80, 7, Slot.RESERVED, EXCLUSIVE),
            change(90, 7, Slot.RESERVED, EXCLUSIVE, came=False),
            change(95, 7, Slot.SHARED, SHARED, came=False),
        ]
    )
    lane = only(history, 100)
    assert [(at // S, mark) for at, mark in lane.steps] == [
        (70, Mark.READ),
        (80, Mark.WRITE),
        (90, Mark.READ),
        (95, Mark.NOTHING),
    ]
    assert lane.since_ns is None
    assert letters(lane, 100, 12) == "     RRWWwrN"


def test_small_letters_are_for_what_lasted_a_part() -> None:
    history = History()
    history.take(
        [
            change(80.1, 7, Slot.SHARED, EXCLUSIVE),
            change(80.2, 7, Slot.SHARED, EXCLUSIVE, came=False),
            change(85, 7, Slot.SHARED, EXCLUSIVE),
        ]
    )
    assert letters(only(history, 91), 91, 12)[-3:] == "eEE"


def test_a_part_stays_as_it_is_until_it_has_moved_out() -> None:
    history = History()
    history.take([change(61, 7, Slot.SHARED, SHARED), change(83, 7, Slot.RESERVED, EXCLUSIVE)])
    before = letters(only(history, 100.5), 100.5, 12)
    assert letters(only(history, 104.9), 104.9, 12) == before
    assert letters(only(history, 105.1), 105.1, 12)[:-1] == before[1:]


def test_what_goes_and_comes_at_one_moment_is_no_interruption() -> None:
    history = History()
    history.take(
        [
            change(10, 7, Slot.RESERVED, EXCLUSIVE),
            change(20, 7, Slot.RESERVED, EXCLUSIVE, came=False),
            change(20, 7, Slot.PENDING, EXCLUSIVE),
        ]
    )
    lane = only(history, 30)
    assert [mark for _, mark in lane.steps] == [Mark.WRITE, Mark.PENDING]
    assert lane.since_ns == 10 * S


def test_since_when_is_kept_when_steps_are_forgotten() -> None:
    history = History()
    for second in range(10, 200, 2):
        came = second % 4 == 2
        history.take([change(second, 7, Slot.RESERVED, EXCLUSIVE, came=came)])
        if second == 10:
            history.take([change(10, 7, Slot.SHARED, SHARED)])
    lane = only(history, 200)
    assert lane.since_ns == 10 * S
    assert lane.steps[0][0] <= 200 * S - WINDOW_NS < lane.steps[1][0]


def test_who_has_it_open_and_who_waits_is_seen_beside_the_locks() -> None:
    history = History()
    history.see(10 * S, DB, opened=[7])
    history.see(20 * S, DB, opened=[7], waiting=[7])
    history.take([change(30, 7, Slot.SHARED, SHARED)])
    history.see(40 * S, DB, opened=[])
    history.take([change(50, 7, Slot.SHARED, SHARED, came=False)])
    assert [mark for _, mark in only(history, 60).steps] == [
        Mark.OPEN,
        Mark.WAIT,
        Mark.READ,
        Mark.NOTHING,
    ]


def test_a_process_that_ended_is_absent_and_later_forgotten() -> None:
    history = History()
    history.take([change(10, 7, Slot.SHARED, SHARED)])
    history.end(20 * S, [7, 8])
    history.see(21 * S, DB, opened=[])
    assert only(history, 79).mark is Mark.ABSENT
    assert history.lanes(81 * S) == ()


def test_who_only_looked_in_is_forgotten_too() -> None:
    history = History()
    history.see(10 * S, DB, opened=[7])
    history.see(11 * S, DB, opened=[])
    assert only(history, 70).mark is Mark.NOTHING
    assert history.lanes(72 * S) == ()


def test_a_sampler_that_begins_anew_tells_everything_again() -> None:
    history = History()
    history.take([change(10, 7, Slot.SHARED, SHARED), change(10, 8, Slot.SHARED, SHARED)])
    history.restart(20 * S)
    history.take([change(20.1, 7, Slot.SHARED, SHARED)])
    assert [lane.mark for lane in history.lanes(30 * S)] == [Mark.READ, Mark.NOTHING]
