"""The wait-for graph over time: who waited for whom, the root of each chain, and the cycles.

An edge runs from the process that waits to the one that holds, for as long as both do. A request
that is refused waits no time at all; yet the refused process goes on holding what it had, so its
edge lasts until it lets go.
"""

from collections import defaultdict, deque

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.index import HoldIndex
from lockscope.analysis.model import Deadlock, Edge, WaitEnd
from lockscope.interpret.model import Events, Interpretation
from lockscope.trace.rows import stable_order

__all__ = ["find_deadlocks", "wait_for_graph"]


def wait_for_graph(
    source: Interpretation, index: HoldIndex, waits: Events, blocks: Events
) -> list[Edge]:
    """The edges from processes that stand in somebody's way while they wait, in order of time.

    Those of a process that is in nobody's way begin a chain and are in `blocks`: no chain leads
    through them, and no cycle.

    Args:
        source: What was recorded.
        index: Holds by process and resource.
        waits: `WAIT` rows.
        blocks: `BLOCK` rows.
    """
    holds = index.spans
    lets_go = _lets_go(source, index, waits)
    wait, hold = blocks["wait"], blocks["hold"]
    began = np.maximum(waits["began_ns"][wait], holds["requested_ns"][hold])
    ended = np.minimum(lets_go[wait], holds["released_ns"][hold])
    waiter, holder = waits["process"][wait], holds["process"][hold]
    chosen = np.flatnonzero((ended >= began) & _meets(waiter, began, ended, holder))
    chosen = chosen[stable_order(began[chosen])]
    columns = (waiter, holder, began, ended, wait, hold)
    return [
        Edge(*row) for row in zip(*(column[chosen].tolist() for column in columns), strict=True)
    ]


def _meets(
    waiter: NDArray[np.uint32],
    began: NDArray[np.uint64],
    ended: NDArray[np.uint64],
    holder: NDArray[np.uint32],
) -> NDArray[np.bool_]:
    """For each edge, whether its waiter is the holder of another edge at some moment of it."""
    meets = np.zeros(len(waiter), np.bool_)
    by_time = stable_order(began)
    into_all, out_all = by_time[stable_order(holder[by_time])], stable_order(waiter)
    holders, waiters = holder[into_all], waiter[out_all]
    for process in np.intersect1d(waiter, holder):
        into = into_all[slice(*np.searchsorted(holders, [process, process + 1]))]
        out = out_all[slice(*np.searchsorted(waiters, [process, process + 1]))]
        latest = np.maximum.accumulate(ended[into])
        before = np.searchsorted(began[into], ended[out], "right")
        meets[out] = (before > 0) & (latest[np.maximum(before - 1, 0)] >= began[out])
    return meets


def _lets_go(source: Interpretation, index: HoldIndex, waits: Events) -> NDArray[np.uint64]:
    """When each wait's edges end: with the wait, or, for a refusal, with what the refused process
    goes on holding.
    """
    ends: NDArray[np.uint64] = waits["ended_ns"].copy()
    database = np.array([resource.database for resource in source.resources], np.int64)
    refused = np.flatnonzero(waits["end"] == WaitEnd.REFUSED)
    of = database[waits["resource"][refused]]
    process, moment = waits["process"][refused], waits["ended_ns"][refused]
    until = np.append(index.spans["ended_ns"], np.uint64(0))  # the last is that of no hold, -1
    for resource in np.flatnonzero(np.isin(database, of)).tolist():
        rows = of == database[resource]
        held = index.at(process[rows], resource, moment[rows])
        ends[refused[rows]] = np.maximum(ends[refused[rows]], until[held])
    return ends


def find_deadlocks(edges: list[Edge], waits: Events) -> tuple[Deadlock, ...]:
    """Find the deadlocks: cycles of the wait-for graph, all edges of which exist at one moment.

    Each edge is asked, when it appears, for the shortest cycle that it closes; a cycle of the same
    waits is told once.
    """
    found: dict[frozenset[int], Deadlock] = {}
    active: dict[int, list[Edge]] = defaultdict(list)
    for edge in edges:
        active[edge.waiter].append(edge)
        cycle = _shortest_cycle(active, edge)
        if cycle:
            waits_of_cycle = frozenset(step.wait for step in cycle)
            found.setdefault(waits_of_cycle, _deadlock(cycle, edge.began_ns, waits))
    return tuple(found.values())


def _shortest_cycle(active: dict[int, list[Edge]], last: Edge) -> list[Edge]:
    """The shortest path of living edges from the holder of an edge back to its waiter, that edge
    first.
    """
    reached = {last.holder: [last]}
    queue = deque([last.holder])
    while queue:
        process = queue.popleft()
        active[process] = [edge for edge in active[process] if edge.ended_ns >= last.began_ns]
        for edge in active[process]:
            if edge.holder == last.waiter:
                return [*reached[process], edge]
            if edge.holder not in reached:
                reached[edge.holder] = [*reached[process], edge]
                queue.append(edge.holder)
    return []


def _deadlock(cycle: list[Edge], at_ns: int, waits: Events) -> Deadlock:
    losers = [
        step for step in cycle if waits["end"][step.wait] in (WaitEnd.REFUSED, WaitEnd.TIMED_OUT)
    ]
    victim = min(losers, key=lambda step: int(waits["ended_ns"][step.wait]), default=None)
    return Deadlock(
        at_ns=at_ns,
        processes=tuple(step.waiter for step in cycle),
        waits=tuple(step.wait for step in cycle),
        victim=None if victim is None else victim.waiter,
    )
