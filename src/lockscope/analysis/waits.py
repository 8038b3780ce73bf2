"""Waits: episodes rebuilt from denied requests and the sleeps between them.

SQLite never blocks in the kernel: it asks, is denied, sleeps, asks again. An *episode* is such a
run by one thread on one database. It ends *granted* when what was denied last is granted after a
sleep; *refused* when no sleep ever followed, so that the busy handler was not invoked; *timed out*
when sleeping did not help; *killed* when the process ended in the middle; *unfinished* when the
recording did.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.model import WAIT, WaitEnd
from lockscope.interpret.model import BLOCKING, PROBE, Events, Interpretation, Verdict
from lockscope.trace.kinds import EndMode
from lockscope.trace.model import Process
from lockscope.trace.rows import lexical_order, stable_order

__all__ = ["TRY", "find_waits"]

TRY: Final = np.dtype(
    [
        ("began_ns", "<u8"),
        ("until_ns", "<u8"),
        ("wait", "<u4"),
        ("resource", "<u4"),
        ("process", "<u4"),
        ("mode", "u1"),
    ]
)
"""One denied request within a wait, and the time until the next one or the end of the wait."""

_SAME_TRY_NS: Final = 1_000_000
"""Denials closer than SQLite's shortest sleep, 1 ms (`main.c`, sqliteDefaultBusyCallback), belong
together."""
_BLOCKED_NS: Final = 100_000
"""A call that waits in the kernel and returns sooner than this did not wait: an uncontended one
takes about 1 µs."""

_LONGEST_NS: Final = float(1 << 63)


class _Row(IntEnum):
    """What happened to a thread."""

    DENIED = 0
    SLEPT = 1
    GRANTED = 2
    RETURNED = 3


_ROW: Final = np.dtype(
    [
        ("began_ns", "<u8"),
        ("ended_ns", "<u8"),
        ("thread", "<u8"),
        ("resource", "<i8"),
        ("database", "<i8"),
        ("context", "<u4"),
        ("error", "<u2"),
        ("kind", "u1"),
        ("mode", "u1"),
        ("flags", "u1"),
    ]
)


def find_waits(source: Interpretation) -> tuple[Events, Events]:
    """Find every wait.

    Returns:
        `WAIT` rows by `began_ns`, and the `TRY` rows that they consist of, by wait.
    """
    waits, tries = _of_denials(source)
    return _with_blocked(waits, tries, source)


def _of_denials(source: Interpretation) -> tuple[Events, Events]:
    denied = source.events.take(np.flatnonzero(source.events["verdict"] == Verdict.DENIED))
    if len(denied):
        rows = _without_probes(_thread_rows(source, denied))
        if (rows["kind"] == _Row.DENIED).any():
            episodes = _Episodes(rows, source)
            return episodes.waits(), episodes.tries()
    return np.zeros(0, WAIT), np.zeros(0, TRY)


def _thread_rows(source: Interpretation, denied: Events) -> Events:
    """What happened to each thread that was ever denied, thread by thread, in order of time."""
    events = source.events
    threads = np.unique(_thread(denied))
    wanted = np.zeros(len(source.resources), np.bool_)
    wanted[_leads_to(source)[denied["resource"]]] = True
    granted = np.flatnonzero((events["verdict"] == Verdict.GRANTED) & wanted[events["resource"]])
    parts = [
        _rows(denied, _Row.DENIED, source),
        _rows(_of_threads(events.take(granted), threads), _Row.GRANTED, source),
        _rows(_of_threads(source.pauses, threads), _Row.SLEPT, source),
        _rows(_first_returns(source.statements, denied, threads), _Row.RETURNED, source),
    ]
    rows: Events = np.concatenate(parts)
    # A statement returns after all that it did, even where the clock does not tell the two apart.
    returned = (rows["kind"] == _Row.RETURNED).astype(np.uint8)
    thread = np.searchsorted(threads, rows["thread"])
    return rows.take(lexical_order(rows["began_ns"], returned, rows["ended_ns"], thread))


def _of_threads(rows: Events, threads: NDArray[np.uint64]) -> Events:
    thread = _thread(rows)
    at = np.minimum(np.searchsorted(threads, thread), len(threads) - 1)
    return rows.take(np.flatnonzero(threads[at] == thread))


def _first_returns(statements: Events, denied: Events, threads: NDArray[np.uint64]) -> Events:
    """The statements that returned first to a thread after a denial: no other ends an episode, and
    of millions these are few.
    """
    statements = _of_threads(statements, threads)
    began, ended, thread = (
        np.concatenate([one, other])
        for one, other in (
            (denied["began_ns"], statements["began_ns"]),
            (denied["ended_ns"], statements["ended_ns"]),
            (_thread(denied), _thread(statements)),
        )
    )
    returned = (np.arange(len(ended)) >= len(denied)).astype(np.uint8)
    thread = np.searchsorted(threads, thread)
    order = lexical_order(began, returned, ended, thread)
    before, after = order[:-1], order[1:]
    first = (returned[after] > returned[before]) & (thread[after] == thread[before])
    return statements.take(np.sort(after[first] - len(denied)))


def _thread(rows: Events) -> NDArray[np.uint64]:
    thread: NDArray[np.uint64] = rows["process"].astype(np.uint64) << np.uint64(32) | rows["thread"]
    return thread


def _leads_to(source: Interpretation) -> NDArray[np.int64]:
    return np.array([resource.leads_to for resource in source.resources], np.int64)


def _rows(given: Events, kind: _Row, source: Interpretation) -> Events:
    rows: Events = np.zeros(len(given), _ROW)
    rows["kind"] = kind
    rows["thread"] = _thread(given)
    names = given.dtype.names or ()
    for field in ("began_ns", "ended_ns", "context", "error", "mode", "flags"):
        if field in names:
            rows[field] = given[field]
    rows["resource"] = given["resource"] if "resource" in names else -1
    databases = np.array([resource.database for resource in source.resources] + [-1], np.int64)
    rows["database"] = databases[rows["resource"]]
    return rows


def _last_before(flags: NDArray[np.bool_], thread: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each row, the place of the last flagged row before it in its thread; -1 for none."""
    place = np.where(flags, np.arange(len(flags)), -1)
    last = np.concatenate([[-1], np.maximum.accumulate(place)[:-1]])
    return np.where((last >= 0) & (thread[last] == thread), last, -1)


@dataclass(frozen=True, slots=True)
class _Chain:
    """The rows that make up episodes, and which episode each belongs to (-1 for none)."""

    rows: Events
    denied: NDArray[np.bool_]
    episode: NDArray[np.int64]


class _Episodes:
    """The episodes of all threads, as columns."""

    def __init__(self, rows: Events, source: Interpretation) -> None:
        self._source = source
        chain = _chain(_without_other_grants(rows, source))
        self._rows, self._denied, self._episode = chain.rows, chain.denied, chain.episode
        count = int(self._episode.max()) + 1
        slept = self._of(_Row.SLEPT)
        self._sleeps = np.bincount(self._episode[slept], minlength=count)
        slept_ns = np.bincount(
            self._episode[slept],
            (self._rows["ended_ns"] - self._rows["began_ns"])[slept].astype(np.float64),
            count,
        )
        # Damaged sleeps may add up to more than fits, of which numpy would warn the reader.
        self._slept_ns = np.minimum(slept_ns, _LONGEST_NS).astype(np.uint64)
        self._first = np.flatnonzero(self._denied)[
            np.searchsorted(self._episode[self._denied], np.arange(count), "left")
        ]
        self._last = np.flatnonzero(self._denied)[
            np.searchsorted(self._episode[self._denied], np.arange(count), "right") - 1
        ]
        self._end, self._ended_ns = self._ends(count)
        self._kept = ~self._is_harmless(count)
        self._number = np.cumsum(self._kept) - 1

    def waits(self) -> Events:
        """The `WAIT` rows."""
        first, last = self._rows[self._first], self._rows[self._last]
        waits: Events = np.zeros(len(first), WAIT)
        waits["began_ns"], waits["ended_ns"] = first["began_ns"], self._ended_ns
        waits["slept_ns"] = self._slept_ns
        waits["process"], waits["thread"] = (
            first["thread"] >> np.uint64(32),
            first["thread"] & np.uint64(0xFFFFFFFF),
        )
        waits["resource"], waits["mode"] = last["resource"], last["mode"]
        waits["context"] = last["context"]
        waits["attempts"] = np.bincount(
            self._episode[self._denied & ~self._same_request()], minlength=len(first)
        )
        waits["end"] = self._end
        waits["inferred"] = 1
        return waits[self._kept]

    def tries(self) -> Events:
        """The `TRY` rows, by wait."""
        rows, episode = self._rows[self._denied], self._episode[self._denied]
        tries: Events = np.zeros(len(rows), TRY)
        for field in ("began_ns", "resource", "mode"):
            tries[field] = rows[field]
        tries["process"] = rows["thread"] >> np.uint64(32)
        tries["until_ns"] = self._until(rows, episode)
        tries["wait"] = self._number[episode]
        return tries[self._kept[episode]]

    def _of(self, kind: _Row) -> NDArray[np.bool_]:
        belongs: NDArray[np.bool_] = (self._rows["kind"] == kind) & (self._episode >= 0)
        return belongs

    def _until(self, rows: Events, episode: NDArray[np.int64]) -> NDArray[np.uint64]:
        until = self._ended_ns[episode]
        following = np.flatnonzero(episode[1:] == episode[:-1])
        until[following] = rows["began_ns"][following + 1]
        # Several resources asked for in one request share the time until the next request.
        together = rows["began_ns"][following] == rows["began_ns"][following + 1]
        last = np.arange(len(rows))
        last[following[together]] = len(rows)
        return until[np.minimum.accumulate(last[::-1])[::-1]]

    def _same_request(self) -> NDArray[np.bool_]:
        """Rows that repeat the request of the row before them, for another resource of the same
        byte range.
        """
        same = np.zeros(len(self._rows), np.bool_)
        same[1:] = (
            self._denied[1:]
            & self._denied[:-1]
            & (self._episode[1:] == self._episode[:-1])
            & (self._rows["began_ns"][1:] == self._rows["began_ns"][:-1])
        )
        return same

    def _ends(self, count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
        end = np.where(self._sleeps > 0, WaitEnd.TIMED_OUT, WaitEnd.REFUSED).astype(np.uint8)
        # A sleep after the last denial and before the statement gave up is part of the wait.
        ended_ns = self._rows["ended_ns"][self._last].astype(np.uint64)
        slept = self._of(_Row.SLEPT)
        np.maximum.at(ended_ns, self._episode[slept], self._rows["ended_ns"][slept])
        granted = self._of(_Row.GRANTED)
        granted &= np.where(self._episode >= 0, self._sleeps[self._episode], 0) > 0
        end[self._episode[granted]] = WaitEnd.GRANTED
        ended_ns[self._episode[granted]] = self._rows["ended_ns"][granted]
        self._mark_cut_off(end, ended_ns, count)
        return end, ended_ns

    def _mark_cut_off(
        self, end: NDArray[np.uint8], ended_ns: NDArray[np.uint64], count: int
    ) -> None:
        """Episodes that the end of their process, or of the recording, cut off."""
        threads, last_ns = self._source.last_seen
        thread = self._rows["thread"][self._last]
        nothing_after = ended_ns >= last_ns[np.searchsorted(threads, thread)]
        returned = np.zeros(count, np.bool_)
        returned[self._episode[self._of(_Row.RETURNED)]] = True
        for at in np.flatnonzero(nothing_after & ~returned & (end != WaitEnd.GRANTED)):
            process = self._source.processes[int(thread[at] >> np.uint64(32))]
            verdict = _cut_off(process)
            if verdict is not None:
                end[at] = verdict
                ended_ns[at] = max(int(ended_ns[at]), process.ended_ns or self._source.ended_ns)

    def _is_harmless(self, count: int) -> NDArray[np.bool_]:
        """Episodes that hindered nobody: denials after which the statement went on to succeed."""
        refused = self._end == WaitEnd.REFUSED
        succeeded = np.zeros(count, np.bool_)
        returned = self._of(_Row.RETURNED)
        succeeded[self._episode[returned]] = self._rows["error"][returned] == 0
        harmless: NDArray[np.bool_] = refused & succeeded
        return harmless


def _without_probes(rows: Events) -> Events:
    """Drop the denials of what was only tried: nobody slept for it, and no statement failed."""
    probe = (rows["kind"] == _Row.DENIED) & ((rows["flags"] & PROBE) != 0)
    slept_next = np.zeros(len(rows), np.bool_)
    slept_next[:-1] = (rows["kind"][1:] == _Row.SLEPT) & (rows["thread"][1:] == rows["thread"][:-1])
    return rows.take(np.flatnonzero(~probe | slept_next))


def _without_other_grants(rows: Events, source: Interpretation) -> Events:
    """Drop the grants that end no wait: of another resource than what the thread was denied last,
    or of less.
    """
    denied = rows["kind"] == _Row.DENIED
    last = _last_before(denied, rows["thread"])
    wanted = _leads_to(source)[rows["resource"][last]]
    matches = (last >= 0) & (rows["resource"] == wanted) & (rows["mode"] >= rows["mode"][last])
    return rows.take(np.flatnonzero((rows["kind"] != _Row.GRANTED) | matches))


def _chain(rows: Events) -> _Chain:
    """Give each row its episode."""
    thread, kind = rows["thread"], rows["kind"]
    denied = kind == _Row.DENIED
    boundary = (kind == _Row.GRANTED) | (kind == _Row.RETURNED)
    last_denied = _last_before(denied, thread)
    last_boundary = _last_before(boundary, thread)
    open_ = (last_denied >= 0) & (last_denied > last_boundary)
    slept_since = _last_before(kind == _Row.SLEPT, thread) > last_denied
    close = (
        rows["began_ns"] - np.minimum(rows["ended_ns"][last_denied], rows["began_ns"])
        < _SAME_TRY_NS
    )
    same_database = rows["database"] == rows["database"][last_denied]
    continues = open_ & same_database & (slept_since | close)
    begins = denied & ~continues
    episode = np.cumsum(begins) - 1
    return _Chain(rows, denied, np.where(denied | open_, episode, -1))


def _cut_off(process: Process) -> WaitEnd | None:
    if not process.ended_ns:
        return WaitEnd.UNFINISHED
    orderly = process.exited or process.end is EndMode.EXITED
    return None if orderly else WaitEnd.KILLED


def _with_blocked(waits: Events, tries: Events, source: Interpretation) -> tuple[Events, Events]:
    """Add the waits of those who blocked in the kernel, and put all in order of time."""
    events = source.events
    blocked = events.take(np.flatnonzero((events["flags"] & BLOCKING) != 0))
    began_ns = np.minimum(blocked["began_ns"], blocked["ended_ns"])
    blocked = blocked.take(np.flatnonzero(blocked["ended_ns"] - began_ns >= _BLOCKED_NS))
    more: Events = np.zeros(len(blocked), WAIT)
    more_tries: Events = np.zeros(len(blocked), TRY)
    for field in ("began_ns", "ended_ns", "process", "thread", "resource", "context", "mode"):
        more[field] = blocked[field]
    more["attempts"] = 1
    more["end"] = np.where(
        blocked["verdict"] == Verdict.GRANTED, WaitEnd.GRANTED, WaitEnd.TIMED_OUT
    )
    for field in ("began_ns", "process", "resource", "mode"):
        more_tries[field] = blocked[field]
    more_tries["until_ns"] = blocked["ended_ns"]
    more_tries["wait"] = len(waits) + np.arange(len(blocked))
    return _by_time(np.concatenate([waits, more]), np.concatenate([tries, more_tries]))


def _by_time(waits: Events, tries: Events) -> tuple[Events, Events]:
    order = stable_order(waits["began_ns"])
    rank = np.empty(len(order), np.uint32)
    rank[order] = np.arange(len(order), dtype=np.uint32)
    tries["wait"] = rank[tries["wait"]]
    return waits.take(order), tries.take(stable_order(tries["wait"]))
