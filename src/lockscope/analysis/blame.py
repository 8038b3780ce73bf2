"""Blame: which holds were in the way of which waits, and for how long."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.model import BLOCK
from lockscope.interpret.model import Events
from lockscope.locks.modes import LockMode
from lockscope.trace.rows import pairs, runs, stable_order

__all__ = ["find_blocks"]

_PAIRS_AT_ONCE: Final = 1 << 20
"""Candidate pairs that are compared in one step: bounds the memory (about 60 bytes a pair)."""


def find_blocks(holds: Events, tries: Events) -> Events:
    """Find, for each denied request, the holds in its way until the next request.

    A hold is in the way when it is another process's, on the same resource, in a conflicting mode,
    at the same time. The widest reading of the times decides whether it was in the way, the
    narrowest for how long.

    Args:
        holds: `HOLD` rows.
        tries: `TRY` rows.

    Returns:
        `BLOCK` rows by wait and hold.
    """
    parts = [np.zeros(0, BLOCK)]
    for resource in np.unique(tries["resource"]):
        of_holds = np.flatnonzero(holds["resource"] == resource)
        of_tries = np.flatnonzero(tries["resource"] == resource)
        if len(of_holds):
            parts += _blocks_on_resource(holds, of_holds, tries, of_tries)
    return _added_up(np.concatenate(parts))


def _blocks_on_resource(
    holds: Events, of_holds: NDArray[np.int64], tries: Events, of_tries: NDArray[np.int64]
) -> list[Events]:
    of_holds = of_holds[stable_order(holds["requested_ns"][of_holds])]
    # The first hold that can still be in the way at some time: none before it was released so late.
    released = np.maximum.accumulate(holds["released_ns"][of_holds])
    low = np.searchsorted(released, tries["began_ns"][of_tries], "left")
    high = np.searchsorted(holds["requested_ns"][of_holds], tries["until_ns"][of_tries], "right")
    counts = np.maximum(high - low, 0)
    cuts = np.searchsorted(
        np.cumsum(counts), np.arange(_PAIRS_AT_ONCE, counts.sum() + 1, _PAIRS_AT_ONCE)
    )
    return [
        _blocks_of_pairs(holds, tries, *_pairs(of_holds, of_tries[part], low[part], counts[part]))
        for part in np.split(np.arange(len(of_tries)), cuts)
        if len(part)
    ]


def _pairs(
    of_holds: NDArray[np.int64],
    of_tries: NDArray[np.int64],
    low: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each try beside each of its candidate holds."""
    first = np.repeat(np.cumsum(counts) - counts, counts)
    within = np.arange(counts.sum()) - first
    return of_holds[np.repeat(low, counts) + within], np.repeat(of_tries, counts)


def _blocks_of_pairs(
    holds: Events, tries: Events, hold: NDArray[np.int64], try_: NDArray[np.int64]
) -> Events:
    in_the_way = (
        (holds["process"][hold] != tries["process"][try_])
        & (np.maximum(holds["mode"][hold], tries["mode"][try_]) == LockMode.EXCLUSIVE)
        & (holds["released_ns"][hold] >= tries["began_ns"][try_])
    )
    hold, try_ = hold[in_the_way], try_[in_the_way]
    began = np.maximum(holds["began_ns"][hold], tries["began_ns"][try_])
    ended = np.minimum(holds["ended_ns"][hold], tries["until_ns"][try_])
    overlap = np.where(ended > began, ended - np.minimum(began, ended), 0)
    blocks: Events = np.zeros(len(hold), BLOCK)
    blocks["wait"], blocks["hold"], blocks["overlap_ns"] = tries["wait"][try_], hold, overlap
    blocks["share_ns"] = _shares(overlap, try_, tries)
    return blocks


def _shares(
    overlap: NDArray[np.uint64], try_: NDArray[np.int64], tries: Events
) -> NDArray[np.uint64]:
    """The overlaps, scaled down where those of one try add up to more than its time."""
    together = np.bincount(try_, overlap.astype(np.float64))[try_]
    span = (tries["until_ns"][try_] - tries["began_ns"][try_]).astype(np.float64)
    scale = np.minimum(1.0, span / np.maximum(together, 1.0))
    return np.asarray(overlap * scale, np.uint64)


def _added_up(blocks: Events) -> Events:
    """One row for each wait and hold."""
    order = stable_order(pairs(blocks["wait"], blocks["hold"]))
    blocks = blocks.take(order)
    first = runs(pairs(blocks["wait"], blocks["hold"]))[:-1]
    added: Events = blocks.take(first)
    for field in ("overlap_ns", "share_ns"):
        added[field] = np.add.reduceat(blocks[field], first) if len(first) else 0
    return added
