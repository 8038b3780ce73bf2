"""Samples of the kernel's own list of locks, compared with what was recorded.

A lock that the kernel shows and no record explains belongs to an *unrecorded holder*: a static or
setuid program, or a process outside the trace. A lock that the records claim and the kernel denies
is a gap. Between two samples anything may happen, so neither is said unless a whole sample fell
into the time in question.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from lockscope.interpret.coverage import Coverage, longest_gap
from lockscope.interpret.files import DatabaseFiles
from lockscope.interpret.model import EVENT, HALT, Cause, Events, Sampling, Verdict
from lockscope.interpret.sightings import Holder, Sighting, find_holders, find_sightings
from lockscope.locks.sqlite import Slot
from lockscope.trace.kinds import Kind, Mode
from lockscope.trace.model import Gap, Process, Records, Trace

__all__ = ["Seen", "compare_samples", "nothing_seen"]

_MOST_GAPS: Final = 20
_TEARDOWN_NS: Final = 1_000_000_000
"""A process that ends or is replaced keeps its locks until the kernel has taken down its memory
(`kernel/exit.c`, do_exit: exit_mm before exit_files), and its end may be seen late."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What sampling adds to the records.

    Attributes:
        processes: Those of the trace, then the unrecorded holders.
        events: `EVENT` rows of the unrecorded holders.
        gaps: What records and samples say of each other.
        sampling: How it was sampled, None where it was not.
        halts: `HALT` rows.
    """

    processes: tuple[Process, ...]
    events: Events
    gaps: tuple[Gap, ...] = ()
    sampling: Sampling | None = None
    halts: Events = field(default_factory=lambda: np.zeros(0, HALT))

    def added_to(self, events: Events) -> Events:
        """These events among others, by `began_ns`."""
        if not len(self.events):
            return events
        together: Events = np.concatenate([events, self.events])
        return together.take(np.argsort(together["began_ns"], kind="stable"))


@dataclass(frozen=True, slots=True)
class _Rhythm:
    """How closely samples followed one another."""

    stretches: Records

    def whole_sample_ns(self, began_ns: int, ended_ns: int) -> int:
        """The shortest time that is sure to hold a whole sample, around some moments."""
        ends = self.stretches["began_ns"] + self.stretches["duration_ns"]
        low = max(0, int(np.searchsorted(ends, began_ns)) - 1)
        high = int(np.searchsorted(self.stretches["began_ns"], ended_ns, "right")) + 1
        near = self.stretches[low:high]
        return int(near["length"].max()) + int(near["file"].max())

    @property
    def longest_sample_ns(self) -> int:
        return int(self.stretches["file"].max())

    @property
    def ended_ns(self) -> int:
        last = self.stretches[-1]
        return int(last["began_ns"] + last["duration_ns"])


def nothing_seen(trace: Trace) -> Seen:
    """What a trace without samples adds: nothing, but what its sampler had to say."""
    return Seen(trace.processes, np.zeros(0, EVENT), _notes_as_gaps(trace))


def compare_samples(trace: Trace, files: DatabaseFiles, events: Events) -> Seen:
    """Compare what was sampled with what was recorded.

    Args:
        trace: The trace.
        files: Which of its files make up which database.
        events: The recorded lock events.
    """
    stretches = trace.of_kind(Kind.SAMPLES)
    if not len(stretches):
        return nothing_seen(trace)
    rhythm = _Rhythm(stretches)
    own = {process.pid for process in trace.processes if not process.watched}
    sightings = [s for s in find_sightings(trace, files, rhythm.ended_ns) if s.pid not in own]
    alone = not any(process.watched for process in trace.processes)
    holders = find_holders(trace)
    recorded = _Recorded(trace, events, holders)
    unexplained = [s for s in sightings if not recorded.explains(s, rhythm)]
    people = _People(trace, holders)
    rows = [row for sighting in unexplained for row in _rows(sighting, people.place(sighting))]
    gaps: tuple[Gap, ...] = ()
    if not alone:
        titles = tuple(f"{title} {slot.title}" for title in files.titles for slot in Slot)
        gaps = _limited(
            [
                *_unrecorded(unexplained, people, titles, trace),
                *_denied(recorded, sightings, rhythm, _followed(trace, files), titles),
            ]
        )
    return Seen(
        processes=(*trace.processes, *people.found),
        events=np.array(rows, EVENT),
        gaps=gaps,
        sampling=_sampling(stretches, trace, alone=alone),
        halts=_halts(holders, recorded, people, rhythm.ended_ns),
    )


def _halts(
    holders: list[Holder], recorded: "_Recorded", people: "_People", ended_ns: int
) -> Events:
    """When samples showed holders that did not go on."""
    rows: list[tuple[int, int, int, int]] = []
    following: dict[int, int] = {}
    for holder in reversed(holders):
        until = following.get(holder.pid, ended_ns)
        following[holder.pid] = holder.at_ns
        places = [*recorded.places(holder.pid), *people.known(holder)] if holder.state else []
        rows += [(holder.at_ns, until, place, holder.state) for place in places]
    return np.array(rows[::-1], HALT)


def _notes(trace: Trace) -> tuple[str, ...]:
    rows = trace.of_kind(Kind.NOTE)
    return tuple(
        trace.texts[int(row["length"])]
        for row in rows
        if not trace.processes[int(row["process"])].watched
    )


def _notes_as_gaps(trace: Trace) -> tuple[Gap, ...]:
    return tuple(Gap(0, trace.manifest.started_ns, note) for note in _notes(trace))


def _sampling(stretches: Records, trace: Trace, *, alone: bool) -> Sampling:
    count = int(stretches["start"].sum())
    span = int(stretches["began_ns"][-1] + stretches["duration_ns"][-1] - stretches["began_ns"][0])
    return Sampling(
        count=count,
        mean_ns=span // max(1, count - 1),
        longest_ns=int(stretches["length"].max()),
        alone=alone,
        notes=_notes(trace),
    )


class _Recorded:
    """The recorded locks, to be asked whether they explain a sighting."""

    def __init__(self, trace: Trace, events: Events, holders: list[Holder]) -> None:
        self.trace = trace
        self.coverage = Coverage(events, _TEARDOWN_NS)
        self._places: dict[int, list[int]] = {}
        for place, process in enumerate(trace.processes):
            if process.watched:
                self._places.setdefault(process.pid, []).append(place)
        self._inner = {holder.pid: holder.inner_pid for holder in holders}

    def places(self, pid: int) -> list[int]:
        """The recorded processes that a pid of the kernel's list may be; all for an unnamed one."""
        if not pid:
            return [place for places in self._places.values() for place in places]
        inner = self._inner.get(pid, pid)
        return [place for number in {pid, inner} for place in self._places.get(number, ())]

    def explains(self, sighting: Sighting, rhythm: _Rhythm) -> bool:
        """Whether a recorded lock may have been there at every sample of the sighting."""
        began, ended = self.coverage.possible(self.places(sighting.pid), sighting.resource)
        around = rhythm.longest_sample_ns
        first = (sighting.came[1] - around, sighting.came[1])
        if longest_gap(began, ended, *first) >= around:
            return False
        between = (sighting.came[1], sighting.went[0])
        if between[1] <= between[0]:
            return True
        return longest_gap(began, ended, *between) < rhythm.whole_sample_ns(*between)


class _People:
    """The unrecorded holders, as processes of the trace."""

    def __init__(self, trace: Trace, holders: list[Holder]) -> None:
        self.found: list[Process] = []
        self._first = len(trace.processes)
        self._holders: dict[int, list[Holder]] = {}
        for holder in holders:
            self._holders.setdefault(holder.pid, []).append(holder)
        self._places: dict[tuple[int, int], int] = {}

    def place(self, sighting: Sighting) -> int:
        """The place of the process behind a sighting."""
        holder = self._holder(sighting)
        place = self._places.setdefault((holder.pid, holder.start), len(self.found))
        if place == len(self.found):
            self.found.append(
                Process(
                    pid=holder.pid,
                    command=holder.command,
                    folder=holder.folder,
                    began_ns=sighting.came[0],
                    recorded=False,
                )
            )
        process = self.found[place]
        self.found[place] = replace(process, began_ns=min(process.began_ns, sighting.came[0]))
        return self._first + place

    def known(self, holder: Holder) -> list[int]:
        """The place of an unrecorded holder; none where all that it held was recorded."""
        found = self._places.get((holder.pid, holder.start))
        return [] if found is None else [self._first + found]

    def _holder(self, sighting: Sighting) -> Holder:
        """Who had the pid when the lock was first seen."""
        known = [h for h in self._holders.get(sighting.pid, ()) if h.at_ns <= sighting.came[1]]
        return known[-1] if known else Holder(sighting.pid, sighting.pid, 0, 0, "", "", None)


def _rows(sighting: Sighting, place: int) -> list[tuple[object, ...]]:
    shared = (place, 0, sighting.resource, 0)
    taken = (*sighting.came, *shared, sighting.mode, Verdict.GRANTED, 0, 0)
    gone = (*sighting.went, *shared, Mode.UNLOCK, Verdict.RELEASED, Cause.NOT_SEEN, 0)
    return [taken, gone] if sighting.ended else [taken]


def _unrecorded(
    sightings: list[Sighting], people: _People, titles: tuple[str, ...], trace: Trace
) -> list[Gap]:
    """A gap for each unrecorded holder: since when, and what it held."""
    of_place: dict[int, list[Sighting]] = {}
    for sighting in sightings:
        of_place.setdefault(people.place(sighting), []).append(sighting)
    gaps = []
    blind = {process.pid for process in trace.processes if process.blind_ns}
    for place, seen in of_place.items():
        process = people.found[place - len(trace.processes)]
        what = "not all" if process.pid in blind else "nothing"
        locks = ", ".join(sorted({titles[sighting.resource] for sighting in seen}))
        first_ns = min(sighting.came[1] for sighting in seen)
        last_ns = max(sighting.went[0] for sighting in seen)
        began_s, ended_s = (
            max(0, at - trace.manifest.started_ns) / 1e9 for at in (first_ns, last_ns)
        )
        gaps.append(
            Gap(
                process.pid,
                first_ns,
                f"{_named(process)} recorded {what}, but held {locks}: seen by sampling from "
                f"{began_s:.3f} s to {max(began_s, ended_s):.3f} s.",
            )
        )
    return gaps


def _named(process: Process) -> str:
    if not process.pid:
        return "a process that the kernel does not name (a lock of an open file description)"
    return f"pid {process.pid} ({process.command or 'its command could not be read'})"


def _followed(trace: Trace, files: DatabaseFiles) -> dict[tuple[int, bool], int]:
    """From when on the sampler looked for a database's file (or its `-shm`), for those of one
    inode.

    Only files on devices that the kernel's list was seen to name: where it gives a file another
    device than `stat` does, no lock on it is ever seen.
    """
    ours = [not process.watched for process in trace.processes]
    rows = [row for row in trace.of_kind(Kind.FILE) if ours[int(row["process"])]]
    seen = trace.of_kind(Kind.SEEN)["file"]
    devices = {trace.files[int(place)].device for place in np.unique(seen)}
    found: dict[tuple[int, bool], list[tuple[int, int]]] = {}
    for row in rows:
        place = int(row["file"])
        key = (int(files.database[place]), bool(files.is_shm[place]))
        found.setdefault(key, []).append((int(row["began_ns"]), trace.files[place].device))
    return {
        key: entries[0][0]
        for key, entries in found.items()
        if len(entries) == 1 and entries[0][1] in devices
    }


def _denied(
    recorded: _Recorded,
    sightings: list[Sighting],
    rhythm: _Rhythm,
    followed: dict[tuple[int, bool], int],
    titles: tuple[str, ...],
) -> list[Gap]:
    """A gap for each lock that the records claim and no sample shows."""
    shown: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for sighting in sightings:
        for place in recorded.places(sighting.pid):
            span = (sighting.came[0], sighting.went[1])
            shown.setdefault((place, sighting.resource), []).append(span)
    shortest_ns = int(rhythm.stretches["length"].min())
    gaps = []
    for place, resource, taken_ns, released_ns, cause in recorded.coverage.certain(shortest_ns):
        slot = Slot(resource % len(Slot))
        since_ns = followed.get((resource // len(Slot), slot.name.startswith("WAL_")))
        if since_ns is None:
            continue
        late_ns = _TEARDOWN_NS if cause in (Cause.EXIT, Cause.KILLED, Cause.EXEC) else 0
        began_ns = max(taken_ns, since_ns)
        ended_ns = min(released_ns - late_ns, rhythm.ended_ns)
        spans = sorted(shown.get((place, resource), ()))
        began, ended = (np.array([span[end] for span in spans], np.int64) for end in (0, 1))
        hidden_ns = longest_gap(began, np.maximum.accumulate(ended), began_ns, ended_ns)
        # Two whole samples: a list that changes while it is read can hide a lock from one.
        if ended_ns > began_ns and hidden_ns > 2 * rhythm.whole_sample_ns(began_ns, ended_ns):
            gaps.append(_denial(recorded.trace, place, titles[resource], began_ns, hidden_ns))
    return gaps


def _denial(trace: Trace, place: int, title: str, began_ns: int, hidden_ns: int) -> Gap:
    pid = trace.processes[place].pid
    at_s = max(0, began_ns - trace.manifest.started_ns) / 1e9
    return Gap(
        pid,
        began_ns,
        f"pid {pid} recorded that it held {title} from {at_s:.3f} s on, but for "
        f"{hidden_ns / 1e9:.3f} s of that no sample of /proc/locks shows it: a release was not "
        "recorded.",
    )


def _limited(gaps: list[Gap]) -> tuple[Gap, ...]:
    more = len(gaps) - _MOST_GAPS
    if more <= 0:
        return tuple(gaps)
    rest = Gap(0, 0, f"{more:,} more differences between the records and the samples.")
    return (*gaps[:_MOST_GAPS], rest)
