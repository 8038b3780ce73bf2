"""Reading a trace: every segment of every process, merged into one array by the monotonic clock."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from lockscope.errors import TraceError
from lockscope.trace.kinds import HEADER_BYTES, EndMode, Kind, Recorder
from lockscope.trace.manifest import MANIFEST_NAME, Manifest
from lockscope.trace.model import Context, Gap, Process, Records, Trace, TracedFile
from lockscope.trace.records import MERGED, RECORD
from lockscope.trace.room import RoomState
from lockscope.trace.rows import stable_order
from lockscope.trace.segment import DamagedSegmentError, Segment, read_header, read_segment

__all__ = ["find_trace", "newest_trace", "read_trace"]

Progress = Callable[[int, int], None]
"""Called with (what was read so far, what there is), in records that would have room."""

Entry = TypeVar("Entry")

_FILE_IS_ELSE: Final = (
    Kind.PROCESS,
    Kind.CONTEXT,
    Kind.ATTEMPT,
    Kind.OUTCOME,
    Kind.ENDED,
    Kind.SAMPLES,
    Kind.HOLDER,
)
_CONTEXT_IS_ELSE: Final = (Kind.PROCESS, Kind.OUTCOME, Kind.SEEN, Kind.HOLDER)
"""Kinds whose `file` or `context` is no number of a file or a context."""

_TEXT_LENGTHS: Final = (
    Kind.EXEC,
    Kind.CLOSE,
    Kind.STATEMENT,
    Kind.ATTEMPT,
    Kind.OUTCOME,
    Kind.NOTE,
    Kind.HOLDER,
    Kind.REMOVE,
)
"""The kinds whose `length` is a text; those of FILE and CONTEXT go into tables of their own."""
_TORN_TAIL: Final = 64
"""Unfinished slots up to this many are threads that were caught in the middle of a record by a
kill: what they were about to tell had not happened yet. More of them is a hole."""


def find_trace(path: Path) -> Path:
    """The trace's folder: the path itself, or the one trace inside a run's folder.

    Raises:
        TraceError: There is none, or more than one.
    """
    if not path.exists():
        raise TraceError(f"{path} does not exist.", path=path)
    if not path.is_dir():
        raise TraceError(f"{path} is not a trace: a trace is a folder.", path=path)
    if (path / MANIFEST_NAME).exists():
        return path
    inside = sorted(found.parent for found in path.glob(f"*.trace/{MANIFEST_NAME}"))
    if len(inside) == 1:
        return inside[0]
    if inside:
        names = ", ".join(found.name for found in inside)
        raise TraceError(f"{path} holds several traces ({names}); name one of them.", path=path)
    raise TraceError(f"{path} is not a trace: it has no {MANIFEST_NAME}.", path=path)


def newest_trace(folder: Path) -> Path:
    """The trace below a folder that was begun last.

    Raises:
        TraceError: There is none.
    """
    found = [manifest.parent for manifest in folder.glob(f"**/*.trace/{MANIFEST_NAME}")]
    if not found:
        raise TraceError(
            f"There is no trace below {folder}. Make one with `lockscope run` or "
            "`lockscope trace`, or name one.",
            path=folder,
        )
    return max(found, key=lambda trace: trace.stat().st_ctime_ns)


def read_trace(path: Path, progress: Progress | None = None) -> Trace:
    """Read a trace whole.

    Args:
        path: The trace's folder, or a run's folder that holds one.
        progress: Told how far the merging is.

    Returns:
        The trace; what could not be read is among its gaps.

    Raises:
        TraceError: It is absent, foreign, newer than this lockscope, or its manifest is damaged.
    """
    folder = find_trace(path)
    manifest = Manifest.read(folder)
    paths, gaps = _segments_by_start(folder)
    gaps += _removed(folder, manifest)
    tables = _Tables(manifest)
    records = _merge(paths, tables, progress)
    processes = tables.finished_processes(records)
    gaps += tables.gaps
    native = [p for p in processes if (p.pid, p.began_ns) in tables.native]
    gaps += [gap for process in native for gap in _alive(process, manifest)]
    return Trace(
        path=folder,
        manifest=manifest,
        processes=processes,
        files=tuple(tables.files),
        contexts=tuple(tables.contexts),
        texts=tuple(tables.texts),
        records=records,
        gaps=tuple(gaps),
    )


def _segments_by_start(folder: Path) -> tuple[list[Path], list[Gap]]:
    """The segments whose headers can be used, in the order in which they were started."""
    started: list[tuple[int, Path]] = []
    gaps: list[Gap] = []
    for path in sorted(folder.glob("*.segment")):
        try:
            started.append((int(read_header(path)["started_ns"]), path))
        except DamagedSegmentError as error:
            gaps.append(_unusable(path, error))
    started.sort(key=lambda entry: entry[0])
    return [path for _, path in started], gaps


def _unusable(path: Path, error: DamagedSegmentError) -> Gap:
    return Gap(_pid_in(path.name), 0, f"{path.name} {error}.")


def _removed(folder: Path, manifest: Manifest) -> Iterable[Gap]:
    room = RoomState.read(folder)
    if room and room.removed:
        until = max(0, room.removed_ns - manifest.started_ns) / 1e9
        yield Gap(
            0,
            manifest.started_ns,
            f"{room.removed} segments of processes that had ended by {until:.3f} s were taken away "
            "to make room (--max-size).",
        )


def _pid_in(name: str) -> int:
    first = name.split("-", 1)[0]
    return int(first) if first.isascii() and first.isdigit() else 0


def _gaps_of(segment: Segment, manifest: Manifest) -> Iterable[Gap]:
    if segment.lost:
        after = max(0, segment.blind_ns - manifest.started_ns) / 1e9
        yield Gap(
            segment.pid,
            segment.blind_ns,
            f"process {segment.pid} lost {segment.lost} records, the first after {after:.3f} s: "
            "the trace's folder could not take more (a full disk, a quota, a limit, or a user "
            "that it is closed to).",
        )
    if segment.turning:
        gone = segment.turning
        yield Gap(
            segment.pid,
            gone.began_ns,
            f"process {segment.pid} kept the newest {len(segment.records)} of its records: "
            f"{gone.records} older ones, up to "
            f"{max(0, gone.ended_ns - manifest.started_ns) / 1e9:.3f} s, were overwritten "
            "(--max-size).",
        )
    if segment.damaged:
        yield Gap(
            segment.pid,
            0,
            f"{segment.name} has {segment.damaged} damaged records; the others were read.",
        )
    if segment.unfinished > _TORN_TAIL:
        yield Gap(
            segment.pid, 0, f"{segment.name} has a hole of {segment.unfinished} unwritten records."
        )


def _alive(process: Process, manifest: Manifest) -> Iterable[Gap]:
    if manifest.ended_ns and not process.ended_ns:
        yield Gap(
            process.pid,
            manifest.ended_ns,
            f"process {process.pid} was still running when the recording ended: what it has "
            "recorded since is here, its end is not.",
        )


def _merge(paths: list[Path], tables: "_Tables", progress: Progress | None) -> Records:
    """All records in one array, by time.

    Segments are read one after the other, so that two copies of a record never live longer than
    one segment; room that no record takes is never touched, and costs nothing.
    """
    rooms = [_most_records(path) for path in paths]
    total = sum(rooms)
    merged: Records = np.empty(total, MERGED)
    done = looked = 0
    for path, room in zip(paths, rooms, strict=True):
        looked += room
        try:
            segment = read_segment(path)
        except DamagedSegmentError as error:  # taken away in between, to make room
            tables.gaps.append(_unusable(path, error))
            continue
        # What a process has recorded since its segment was measured has no room.
        records = segment.records[:room]
        part = merged[done : done + len(records)]
        part.view(RECORD)[:] = records
        tables.take_in(segment, part)
        done += len(part)
        if progress:
            progress(looked, total)
    merged = merged[:done]
    began = merged["began_ns"]
    if (began[1:] >= began[:-1]).all():
        return merged
    return merged.take(stable_order(began))


def _most_records(path: Path) -> int:
    bytes_ = path.stat().st_size if path.exists() else 0
    return max(0, bytes_ - HEADER_BYTES) // RECORD.itemsize


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Numbers of one segment, ascending, and the places in the whole trace's table that they stand
    for.
    """

    numbers: NDArray[np.uint32]
    places: NDArray[np.uint32]

    def places_of(self, column: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The place for each number; place 0 for a number that was never given."""
        if not len(self.numbers):
            return np.zeros(len(column), np.uint32)
        at = np.minimum(np.searchsorted(self.numbers, column), len(self.numbers) - 1)
        known = self.numbers[at] == column
        return np.where(known, self.places[at], 0).astype(np.uint32)


class _Tables:
    """The tables of a trace while its segments are taken in, one after the other."""

    def __init__(self, manifest: Manifest) -> None:
        self.native: set[tuple[int, int]] = set()
        self._manifest = manifest
        self.files: list[TracedFile] = [TracedFile(0, 0, "")]
        self.contexts: list[Context] = [Context("", "")]
        self.texts: list[str] = [""]
        self.processes: list[Process] = []
        self.gaps: list[Gap] = []
        self._file_places: dict[TracedFile, int] = {self.files[0]: 0}
        self._context_places: dict[Context, int] = {self.contexts[0]: 0}
        self._text_places: dict[str, int] = {"": 0}
        self._process_places: dict[tuple[int, int], int] = {}

    def take_in(self, segment: Segment, part: Records) -> None:
        """Give a segment's records the whole trace's numbers, in place."""
        self.gaps += _gaps_of(segment, self._manifest)
        if segment.recorder == Recorder.NATIVE:
            self.native.add((segment.pid, segment.started_ns))
        kinds = part["kind"].copy()
        self._meet_process(segment, part, kinds)
        self._renumber_texts(segment, part, kinds)
        self._renumber_files(segment, part, kinds)
        self._renumber_contexts(segment, part, kinds)

    def _meet_process(self, segment: Segment, part: Records, kinds: NDArray[np.uint8]) -> None:
        key = (segment.pid, segment.process_start)
        place = self._process_places.get(key)
        # The start is told in hundredths of a second: a pid may be used again within one.
        if place is None or 0 < self.processes[place].ended_ns < segment.started_ns:
            place = self._process_places[key] = len(self.processes)
            self.processes.append(Process(segment.pid, began_ns=segment.started_ns))
        process = self.processes[place]
        process = replace(
            process,
            watched=process.watched
            and segment.recorder not in (Recorder.SUPERVISOR, Recorder.SAMPLER),
            lost=process.lost + segment.lost,
            blind_ns=process.blind_ns or segment.blind_ns,
        )
        for record in part[kinds == Kind.PROCESS]:
            process = replace(
                process,
                exited=False,
                parent=int(record["start"]),
                command=segment.text_at(int(record["length"])),
                folder=segment.text_at(int(record["file"])),
            )
        for record in part[kinds == Kind.EXIT]:
            process = replace(
                process,
                exited=True,
                end=EndMode.EXITED,
                status=int(record["start"]) & 0xFF,
                ended_ns=int(record["began_ns"]),
            )
        if _became_another(part[kinds == Kind.EXEC], segment):
            process = replace(process, exited=True)
        self.processes[place] = process
        part["process"] = place

    def _renumber_texts(self, segment: Segment, part: Records, kinds: NDArray[np.uint8]) -> None:
        lengths = _TEXT_LENGTHS
        fields = (
            (lengths, "length"),
            ((Kind.OUTCOME,), "context"),
            ((Kind.HOLDER,), "file"),
            ((Kind.REMOVE,), "duration_ns"),
        )
        for kind_set, field in fields:
            # The kinds first: most fields of ten million records need not be looked at.
            rows = np.flatnonzero(np.isin(kinds, kind_set))
            rows = rows[part[field][rows] != 0]
            if len(rows):
                column = part[field][rows]
                part[field][rows] = self._text_numbers(segment, column).places_of(column)

    def _text_numbers(self, segment: Segment, column: NDArray[np.uint32]) -> _Numbers:
        offsets = np.unique(column)
        offsets = offsets[offsets < len(segment.text)]
        places = [
            _place(segment.text_at(int(offset)), self._text_places, self.texts)
            for offset in offsets
        ]
        return _Numbers(offsets, np.array(places, np.uint32))

    def _renumber_files(self, segment: Segment, part: Records, kinds: NDArray[np.uint8]) -> None:
        given = part[kinds == Kind.FILE]
        files = [
            TracedFile(
                int(record["duration_ns"]),
                int(record["start"]),
                segment.text_at(int(record["length"])).removesuffix(" (deleted)"),
            )
            for record in given
        ]
        numbers = _numbers(
            given["file"], [_place(file, self._file_places, self.files) for file in files]
        )
        bearing = ~np.isin(kinds, _FILE_IS_ELSE) & (part["file"] != 0)
        self._renumber(segment, part, "file", numbers, bearing)

    def _renumber_contexts(self, segment: Segment, part: Records, kinds: NDArray[np.uint8]) -> None:
        given = part[kinds == Kind.CONTEXT]
        contexts = [
            Context(segment.text_at(int(record["length"])), segment.text_at(int(record["file"])))
            for record in given
        ]
        numbers = _numbers(
            given["context"],
            [_place(context, self._context_places, self.contexts) for context in contexts],
        )
        bearing = ~np.isin(kinds, _CONTEXT_IS_ELSE) & (part["context"] != 0)
        self._renumber(segment, part, "context", numbers, bearing)

    def _renumber(
        self,
        segment: Segment,
        part: Records,
        field: str,
        numbers: _Numbers,
        bearing: NDArray[np.bool_],
    ) -> None:
        places = numbers.places_of(part[field])
        unknown = int(((places == 0) & bearing).sum())
        if unknown and field == "file":
            self.gaps.append(
                Gap(
                    segment.pid,
                    0,
                    f"{segment.name} has {unknown} records of files that it does not name.",
                )
            )
        np.copyto(part[field], places, where=bearing)

    def finished_processes(self, records: Records) -> tuple[Process, ...]:
        """The processes, with what the supervisor saw of their ends."""
        processes = self.processes
        ended = records[records["kind"] == Kind.ENDED]
        by_pid: dict[int, list[int]] = {}
        for place, process in enumerate(processes):
            by_pid.setdefault(process.pid, []).append(place)
        for record in ended:
            seen = int(record["began_ns"])
            places = [
                p for p in by_pid.get(int(record["start"]), ()) if processes[p].began_ns <= seen
            ]
            if places:
                place = max(places, key=lambda place: processes[place].began_ns)
                processes[place] = _with_end(processes[place], record)
        return tuple(processes)


def _became_another(execs: Records, segment: Segment) -> bool:
    """Whether the program of a segment ended by an exec: the last that it tried did not fail."""
    return segment.recorder == Recorder.NATIVE and bool(len(execs)) and execs["error"][-1] == 0


def _with_end(process: Process, record: np.void) -> Process:
    mode = EndMode(int(record["mode"])) if record["mode"] in tuple(EndMode) else EndMode.UNSEEN
    process = replace(process, ended_ns=process.ended_ns or int(record["began_ns"]))
    if mode is EndMode.UNSEEN:
        return process
    return replace(process, end=mode, status=int(record["file"]))


def _place(entry: Entry, places: dict[Entry, int], table: list[Entry]) -> int:
    place = places.get(entry)
    if place is None:
        place = places[entry] = len(table)
        table.append(entry)
    return place


def _numbers(numbers: NDArray[np.uint32], places: list[int]) -> _Numbers:
    order = np.argsort(numbers, kind="stable")
    return _Numbers(numbers[order], np.array(places, np.uint32)[order])
