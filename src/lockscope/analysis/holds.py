"""Holds: which process held which resource, in which mode, from when to when."""

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.model import HOLD
from lockscope.interpret.model import Cause, Events, Interpretation, Verdict
from lockscope.locks.modes import LockMode
from lockscope.trace.rows import lexical_order, pairs, parts, stable_order

__all__ = ["find_holds"]


def find_holds(source: Interpretation) -> Events:
    """Find every hold: a run of one mode between two changes of a process's lock on a resource.

    Returns:
        `HOLD` rows by `began_ns`.
    """
    events = source.events
    places, key = _ordered(events)
    mode = events["mode"][places]
    changes = np.flatnonzero(_is_change(mode, key))
    begins = np.flatnonzero(mode[changes] != LockMode.NONE)
    following = np.append(changes, -1)[begins + 1]
    ended = (following >= 0) & (key[following] == key[changes[begins]])
    began_at = places[changes[begins]]
    ended_at = np.where(ended, places[following], -1)
    order = stable_order(events["ended_ns"][began_at])
    holds: Events = np.zeros(len(order), HOLD)
    for part in parts(len(order)):
        first, last = began_at[order[part]], ended_at[order[part]]
        _begin(holds[part], events.take(first))
        _end(holds[part], events.take(last), last >= 0, source.ended_ns)
    _clip_unseen_ends(holds)
    return holds


def _ordered(events: Events) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """The places of the events that change a lock, each process's and resource's together, in order
    of time; and a number for each that tells these apart.
    """
    places = np.flatnonzero(events["verdict"] != Verdict.DENIED)
    key, ended = pairs(events["process"], events["resource"])[places], events["ended_ns"][places]
    order = stable_order(key)
    later = ended[order[1:]] >= ended[order[:-1]]
    # Calls of one process on one resource take effect in the order in which they return; only those
    # of several threads return in another than they began.
    if not (later | (key[order[1:]] != key[order[:-1]])).all():
        order = lexical_order(ended, key)
    return places[order], key[order]


def _is_change(mode: NDArray[np.uint8], key: NDArray[np.uint64]) -> NDArray[np.bool_]:
    before = np.zeros_like(mode)
    before[1:] = np.where(key[1:] == key[:-1], mode[:-1], LockMode.NONE)
    change: NDArray[np.bool_] = mode != before
    return change


def _begin(holds: Events, granted: Events) -> None:
    for field in ("process", "thread", "resource", "context", "mode"):
        holds[field] = granted[field]
    holds["requested_ns"] = granted["began_ns"]
    holds["began_ns"] = granted["ended_ns"]


def _end(holds: Events, following: Events, ended: NDArray[np.bool_], trace_ended_ns: int) -> None:
    """End holds with the next change of each lock, or with the trace."""
    holds["ended_ns"] = np.where(ended, following["began_ns"], trace_ended_ns)
    holds["released_ns"] = np.where(ended, following["ended_ns"], trace_ended_ns)
    changed = following["mode"] != LockMode.NONE
    holds["cause"] = np.where(
        ended, np.where(changed, Cause.CHANGED, following["cause"]), Cause.TRACE_ENDED
    )
    # A call of another thread may return before a call that began earlier: no hold is shorter than
    # nothing.
    holds["ended_ns"] = np.maximum(holds["ended_ns"], holds["began_ns"])
    holds["released_ns"] = np.maximum(holds["released_ns"], holds["ended_ns"])


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
