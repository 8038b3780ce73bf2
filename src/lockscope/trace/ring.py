"""The slots of a segment that turns: in which order they were written, and what is gone."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.trace.kinds import BY_DESCRIPTION, SEQUENCE_MODULUS, Kind, Mode
from lockscope.trace.model import Records

__all__ = ["Overwritten", "Ring", "ring_of", "sensible", "turned"]

_NAMES: Final = (Kind.PROCESS, Kind.FILE, Kind.CONTEXT, Kind.NOTE)
"""What later records need: the recorder repeats these before it overwrites them (`segment.c`)."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Where the slots of a segment turn, in slots; `handed_out` is the header's `next`."""

    first: int
    records: int
    handed_out: int


@dataclass(frozen=True, slots=True)
class Overwritten:
    """What a ring no longer holds: how many records, from when, and until when."""

    records: int
    began_ns: int
    ended_ns: int


def ring_of(header: np.void, slots: int) -> Ring | None:
    """The ring of a segment; None where its records only grow, or the header's ring is none."""
    ring = Ring(int(header["ring_first"]), int(header["ring_records"]), int(header["next"]))
    possible = 0 < ring.records <= slots - ring.first
    return ring if possible else None


def turned(slots: Records, ring: Ring) -> tuple[Records, int, int, Overwritten | None]:
    """The finished records in the order of their slots, how many are missing between them, how many
    are damaged, and what was overwritten.

    What remains from before the overwritten part is dropped, but for the names that later records
    need: a lock whose release was overwritten would seem to be held until now.
    """
    numbers, good = _numbers(slots, ring)
    written = int((slots["sequence"] != 0).sum())
    order = np.argsort(numbers[good], kind="stable")
    places = np.flatnonzero(good)[order]
    damaged = written - len(places)
    records, numbers = slots.take(places), numbers[places]
    turning = numbers >= ring.first
    if not turning.any():
        return records, 0, damaged, None
    oldest, last = int(numbers[turning][0]), int(numbers[-1])
    missing = last + 1 - oldest - int(turning.sum())
    gone = oldest - ring.first
    if not gone:
        return records, missing, damaged, None
    names = np.isin(records["kind"], _NAMES)
    early = ~turning & ~names
    overwritten = _overwritten(records, early, turning & ~names, gone)
    return records[~early], missing, damaged, overwritten


def _numbers(slots: Records, ring: Ring) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """The number of each slot's record, counted from the first that was ever handed out, and
    whether it can be that of a record at this place.
    """
    places = np.arange(len(slots), dtype=np.uint64)
    sequence = slots["sequence"].astype(np.uint64)
    modulus, handed_out = np.uint64(SEQUENCE_MODULUS), np.uint64(ring.handed_out)
    numbers = handed_out // modulus * modulus + sequence - np.uint64(1)
    # An unwritten slot becomes a number beyond all; so does one that is newer than the header.
    numbers = np.where((numbers >= handed_out) & (numbers >= modulus), numbers - modulus, numbers)
    first, count = np.uint64(ring.first), np.uint64(ring.records)
    turning = numbers >= first
    at = np.where(turning, first + (numbers - first * turning) % count, numbers)
    good = (sequence != 0) & (numbers < handed_out) & ((at == places) | (numbers == places))
    good &= sensible(slots)
    if good.any():
        # A thread that was kept from its record for a whole turn left an old number behind.
        good &= ~turning | (numbers + count > numbers[good].max())
    return numbers, good


def _overwritten(
    records: Records, before: NDArray[np.bool_], after: NDArray[np.bool_], gone: int
) -> Overwritten:
    began, later = records["began_ns"][before], records["began_ns"][after]
    return Overwritten(
        records=gone + int(before.sum()),
        began_ns=int(began.min()) if len(began) else 0,
        ended_ns=int(later.min()) if len(later) else 0,
    )


def sensible(slots: Records) -> NDArray[np.bool_]:
    """Whether each slot holds something that a record can be."""
    kinds = slots["kind"]
    locks = (kinds >= Kind.LOCK) & (kinds <= Kind.LOCK_TEST)
    modes = slots["mode"] & ~np.uint8(BY_DESCRIPTION)
    return (kinds - 1 < max(Kind)) & (~locks | (modes <= Mode.EXCLUSIVE))
