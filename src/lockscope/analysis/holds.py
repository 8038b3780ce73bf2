"""Holds: which process held which resource, in which mode, from when to when."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.model import HOLD
from lockscope.interpret.model import Cause, Events, Interpretation, Verdict
from lockscope.locks.modes import LockMode

__all__ = ["find_holds"]


def find_holds(source: Interpretation) -> Events:
    """Find every hold: a run of one mode between two changes of a process's lock on a resource.

    Returns:
        `HOLD` rows by `began_ns`.
    """
    events = _ordered(source.events)
    key = _key(events)
    changes = np.flatnonzero(_is_change(events, key))
    begins = changes[events["mode"][changes] != LockMode.NONE]
    holds: Events = np.zeros(len(begins), HOLD)
    for field in ("process", "thread", "resource", "context", "mode"):
        holds[field] = events[field][begins]
    holds["requested_ns"] = events["began_ns"][begins]
    holds["began_ns"] = events["ended_ns"][begins]
    _set_ends(holds, events, (key, changes, begins), source.ended_ns)
    holds = holds.take(np.argsort(holds["began_ns"], kind="stable"))
    _clip_unseen_ends(holds)
    return holds


def _ordered(events: Events) -> Events:
    """The events that change a lock, each process's and resource's together, in order of time."""
    events = events.take(np.flatnonzero(events["verdict"] != Verdict.DENIED))
    # Calls of one process on one resource take effect in the order in which they return.
    events = events.take(np.argsort(events["ended_ns"], kind="stable"))
    return events.take(np.argsort(_narrowed(_key(events)), kind="stable"))


def _key(events: Events) -> NDArray[np.uint64]:
    key: NDArray[np.uint64] = (
        events["process"].astype(np.uint64) << np.uint64(32) | events["resource"]
    )
    return key


def _narrowed(key: NDArray[np.uint64]) -> NDArray[Any]:
    """The same order in fewer bytes: numpy sorts 16-bit numbers in one pass over them."""
    groups = np.unique(key)
    place = np.searchsorted(groups, key)
    return place.astype(np.uint16 if len(groups) <= 1 << 16 else np.uint32)


def _is_change(events: Events, key: NDArray[np.uint64]) -> NDArray[np.bool_]:
    mode = events["mode"]
    change = np.ones(len(events), np.bool_)
    same = key[1:] == key[:-1]
    change[1:] = np.where(same, mode[1:] != mode[:-1], mode[1:] != LockMode.NONE)
    change[:1] = mode[:1] != LockMode.NONE
    return change


def _set_ends(
    holds: Events,
    events: Events,
    places: tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]],
    trace_ended_ns: int,
) -> None:
    key, changes, begins = places
    after = np.searchsorted(changes, begins, "right")
    end = changes[np.minimum(after, len(changes) - 1)]
    ended = (after < len(changes)) & (key[end] == key[begins])
    holds["ended_ns"] = np.where(ended, events["began_ns"][end], trace_ended_ns)
    holds["released_ns"] = np.where(ended, events["ended_ns"][end], trace_ended_ns)
    changed = events["mode"][end] != LockMode.NONE
    holds["cause"] = np.where(
        ended, np.where(changed, Cause.CHANGED, events["cause"][end]), Cause.TRACE_ENDED
    )
    # A call of another thread may return before a call that began earlier: no hold is shorter than
    # nothing.
    np.maximum(holds["ended_ns"], holds["began_ns"], out=holds["ended_ns"])
    np.maximum(holds["released_ns"], holds["ended_ns"], out=holds["released_ns"])


def _clip_unseen_ends(holds: Events) -> None:
    """End a hold whose end was only seen from outside when somebody else's conflicting hold proves
    it over.
    """
    late = np.flatnonzero(np.isin(holds["cause"], (Cause.EXIT, Cause.KILLED, Cause.TRACE_ENDED)))
    for resource in np.unique(holds["resource"][late]):
        same = np.flatnonzero(holds["resource"] == resource)
        exclusive = same[holds["mode"][same] == LockMode.EXCLUSIVE]
        for at in late[holds["resource"][late] == resource]:
            rivals = same if holds["mode"][at] == LockMode.EXCLUSIVE else exclusive
            _clip(holds, int(at), rivals[np.searchsorted(rivals, at, "right") :])


def _clip(holds: Events, at: int, later: NDArray[np.int64]) -> None:
    rival = next((int(r) for r in later if holds["process"][r] != holds["process"][at]), None)
    if rival is not None and holds["requested_ns"][rival] < holds["ended_ns"][at]:
        proof = max(holds["began_ns"][rival], holds["began_ns"][at])
        holds["ended_ns"][at] = min(holds["ended_ns"][at], proof)
        holds["released_ns"][at] = min(holds["released_ns"][at], proof)
