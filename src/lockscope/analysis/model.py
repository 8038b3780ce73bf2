"""An analysed trace: holds, waits, who blocked whom, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lockscope.interpret.model import Events, Interpretation
from lockscope.locks.modes import LockMode

__all__ = [
    "BLOCK",
    "HOLD",
    "WAIT",
    "Analysis",
    "Blame",
    "Blocker",
    "Deadlock",
    "Edge",
    "Finding",
    "WaitEnd",
]


class WaitEnd(IntEnum):
    """How a wait ended."""

    GRANTED = 1
    TIMED_OUT = 2
    REFUSED = 3
    KILLED = 4
    UNFINISHED = 5

    @property
    def title(self) -> str:
        """As documents write it: `timed-out`."""
        return self.name.lower().replace("_", "-")


HOLD: Final = np.dtype(
    [
        ("requested_ns", "<u8"),
        ("began_ns", "<u8"),
        ("ended_ns", "<u8"),
        ("released_ns", "<u8"),
        ("process", "<u4"),
        ("thread", "<u4"),
        ("resource", "<u4"),
        ("context", "<u4"),
        ("mode", "u1"),
        ("cause", "u1"),
    ]
)
"""One resource in one mode by one process. The lock was certainly held from `began_ns` (the
granting call had returned) to `ended_ns` (the releasing call began), and certainly not before
`requested_ns` or after `released_ns`."""

WAIT: Final = np.dtype(
    [
        ("began_ns", "<u8"),
        ("ended_ns", "<u8"),
        ("slept_ns", "<u8"),
        ("process", "<u4"),
        ("thread", "<u4"),
        ("resource", "<u4"),
        ("context", "<u4"),
        ("attempts", "<u4"),
        ("mode", "u1"),
        ("end", "u1"),
        ("inferred", "u1"),
        ("inside", "u1"),
    ]
)
"""One wait of one thread for a database; `resource` and `mode` are what it was denied last.
`inside`: another connection of the same process was in its way, and no lock call was denied."""

BLOCK: Final = np.dtype(
    [("wait", "<u4"), ("hold", "<u4"), ("overlap_ns", "<u8"), ("share_ns", "<u8")]
)
"""One hold that was in the way of one wait. `share_ns` is the overlap, divided among those that
were in the way together, so that the shares of a wait never add up to more than the wait."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A process that was in the way: what it held, for how long of the wait, since which
    statement.
    """

    pid: int
    resource: str
    mode: str
    seconds: float
    statement: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Blame:
    """The waiting of one process in a span of time, and those who were in the way, worst first."""

    waited_ns: int
    blockers: tuple[Blocker, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """`waiter` waits for `holder` from `began_ns` to `ended_ns`; `wait` and `hold` are places in
    their arrays.
    """

    waiter: int
    holder: int
    began_ns: int
    ended_ns: int
    wait: int
    hold: int


@dataclass(frozen=True, slots=True)
class Deadlock:
    """A cycle of processes each of which waited for the next.

    Attributes:
        at_ns: When the cycle closed.
        processes: Their places; each waits for the next, the last for the first.
        waits: The wait of each.
        victim: Place of the process that was refused or timed out first; None where none was.
    """

    at_ns: int
    processes: tuple[int, ...]
    waits: tuple[int, ...]
    victim: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause of the catalogue, with the evidence that shows it.

    Attributes:
        cause: The catalogue's id: C01 to C36.
        title: What it is, in a few words.
        confidence: How sure the evidence makes it.
        count: How often it was met.
        timeout_helps: Whether a longer timeout would have helped.
        evidence: What shows it, a mapping for each example, the weightiest first.
        remedy: What to do.
        sentence: All of it in a sentence.
        proof: How to check that the remedy worked.
        not_this: The common advice that does not fit, and why; empty where there is none.
    """

    cause: str
    title: str
    confidence: Literal["certain", "likely", "possible"]
    count: int
    timeout_helps: Literal["yes", "no", "partly"]
    evidence: tuple[dict[str, object], ...]
    remedy: str
    sentence: str
    proof: str = ""
    not_this: str = ""


@dataclass(frozen=True)
class Analysis:
    """An analysed trace.

    Attributes:
        source: What was analysed.
        holds: `HOLD` rows by `began_ns`.
        waits: `WAIT` rows by `began_ns`.
        blocks: `BLOCK` rows by wait; their numbers are places in `waits` and `holds`.
        edges: The wait-for graph: its edges among processes that both wait and stand in the way, by
            time.
        deadlocks: In order of time.
        findings: The weightiest first.
    """

    source: Interpretation
    holds: Events
    waits: Events
    blocks: Events
    edges: tuple[Edge, ...] = ()
    deadlocks: tuple[Deadlock, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def has_findings(self) -> bool:
        """Whether anything went wrong: a request that was not granted, a deadlock, a finding."""
        ended_badly = np.any(self.waits["end"] != WaitEnd.GRANTED)
        return bool(ended_badly) or bool(self.deadlocks) or bool(self.findings)

    def chain(self, wait: int) -> tuple[int, ...]:
        """Places of the processes of a wait's blocking chain: the waiter first, the root blocker
        last.

        A *root blocker* stands in the way of others and waits for nobody itself. In a cycle there
        is none: the chain ends before it would repeat. The chain is that of the last moment of the
        wait.
        """
        rows = self.blocks_of(wait)
        if not len(rows):
            return (int(self.waits["process"][wait]),)
        worst = int(rows["hold"][np.argmax(rows["overlap_ns"])])
        began_ns = max(self.waits["began_ns"][wait], self.holds["began_ns"][worst])
        ended_ns = min(self.waits["ended_ns"][wait], self.holds["ended_ns"][worst])
        at_ns = (int(began_ns) + int(ended_ns)) // 2
        chain = [int(self.waits["process"][wait]), int(self.holds["process"][worst])]
        while (
            following := self._waits_for(chain[-1], at_ns)
        ) is not None and following not in chain:
            chain.append(following)
        return tuple(chain)

    def _waits_for(self, process: int, at_ns: int) -> int | None:
        living = (
            edge.holder
            for edge in self._edges_of.get(process, ())
            if edge.began_ns <= at_ns <= edge.ended_ns
        )
        return next(living, None)

    @cached_property
    def _edges_of(self) -> dict[int, list[Edge]]:
        edges: dict[int, list[Edge]] = {}
        for edge in self.edges:
            edges.setdefault(edge.waiter, []).append(edge)
        return edges

    def blocks_of(self, wait: int) -> Events:
        """The `BLOCK` rows of one wait."""
        return self.blocks[self._bounds[wait] : self._bounds[wait + 1]]

    @cached_property
    def _bounds(self) -> NDArray[np.int64]:
        """Where the blocks of each wait begin, and where the last one's end."""
        return np.searchsorted(self.blocks["wait"], np.arange(len(self.waits) + 1))

    def blockers(self, wait: int) -> tuple[Blocker, ...]:
        """Who was in the way of one wait, worst first."""
        return self.blockers_of([wait])

    def blockers_of(self, waits: Sequence[int] | NDArray[np.int64]) -> tuple[Blocker, ...]:
        """Who was in the way of some waits, worst first."""
        first = self._bounds[np.asarray(waits, np.int64)]
        counts = self._bounds[np.asarray(waits, np.int64) + 1] - first
        # All the runs of places [first, first + count), one after the other.
        places = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        return self._ranked(self.blocks.take(places))

    def blame(self, pid: int, began_ns: int, ended_ns: int) -> Blame:
        """What one process waited in a span of time, and for whom.

        Args:
            pid: The process.
            began_ns: The span, on the trace's clock.
            ended_ns: Its end.
        """
        places = [
            place for place, process in enumerate(self.source.processes) if process.pid == pid
        ]
        waits = self.waits
        inside = np.flatnonzero(
            np.isin(waits["process"], places)
            & (waits["began_ns"] <= ended_ns)
            & (waits["ended_ns"] >= began_ns)
        )
        waited = sum(
            min(int(waits["ended_ns"][w]), ended_ns) - max(int(waits["began_ns"][w]), began_ns)
            for w in inside
        )
        return Blame(waited, self.blockers_of(inside.tolist()))

    @cached_property
    def waiter_seconds(self) -> dict[int, float]:
        """For each process that was in the way of others: the waiting that it caused, in
        seconds.
        """
        holders = self.holds["process"][self.blocks["hold"]]
        caused = np.bincount(
            holders, self.blocks["share_ns"].astype(np.float64), len(self.source.processes)
        )
        return {int(place): float(caused[place]) / 1e9 for place in np.unique(holders)}

    def _ranked(self, blocks: Events) -> tuple[Blocker, ...]:
        """One blocker for each process, resource and mode among some blocks, with the statement of
        its longest overlap.
        """
        hold, overlap = blocks["hold"].astype(np.int64), blocks["overlap_ns"].astype(np.int64)
        process, resource, mode = (
            self.holds[name][hold].astype(np.int64) for name in ("process", "resource", "mode")
        )
        key = (process * len(self.source.resources) + resource) * (max(LockMode) + 1) + mode
        keys, first, of = np.unique(key, return_index=True, return_inverse=True)
        total, longest, last = (np.zeros(len(keys), np.int64) for _ in range(3))
        np.add.at(total, of, overlap)
        np.maximum.at(longest, of, overlap)
        worst = overlap == longest[of]
        np.maximum.at(last, of[worst], hold[worst])
        ranked = np.lexsort((first, -total)).tolist()
        return tuple(self._blocker(int(last[at]), int(total[at])) for at in ranked)

    def _blocker(self, hold: int, overlap_ns: int) -> Blocker:
        row = self.holds[hold]
        context = self.source.contexts[int(row["context"])]
        return Blocker(
            pid=self.source.processes[int(row["process"])].pid,
            resource=self.source.resources[int(row["resource"])].title,
            mode=LockMode(int(row["mode"])).name.lower(),
            seconds=overlap_ns / 1e9,
            statement=context.statement or None,
            source=context.source or None,
        )
