"""How long it takes to find the causes in a large trace with many victims of many kinds.

    python benchmarks/causes.py [--records 1000000] [--victims few|many|only]

Makes a trace of short scenes, each of which shows one cause, with uneventful transactions between
them, until there are enough records. With `few` victims one record in fifty belongs to such a
scene, with `many` one in six, with `only` each. Prints the seconds of the whole analysis and of the
causes alone beside the budget, and how often each cause was found, and saves them as JSON. The
seconds are the processor's: nothing of it waits. `calibration` is what the same machine takes, in
the same run, to sort as many random 64-bit numbers.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis import analyse
from lockscope.analysis.causes import find_causes
from lockscope.interpret import interpret
from lockscope.locks.sqlite import SHM_SLOTS, SLOT_RANGES, Slot
from lockscope.trace.kinds import Kind, Mode
from lockscope.trace.manifest import Manifest
from lockscope.trace.model import Context, Process, Trace, TracedFile
from lockscope.trace.records import MERGED

BUDGET_S: Final = 3
RESULTS: Final = Path(__file__).parent / "results"
PROCESSES: Final = 12
EAGAIN: Final = 11
MS: Final = 1_000_000
SCENE_NS: Final = 200 * MS
SQL: Final = (
    "",
    "BEGIN IMMEDIATE",
    "INSERT INTO t VALUES (?)",
    "SELECT * FROM t",
    "COMMIT",
    "VACUUM",
    "PRAGMA journal_mode=WAL",
    "INSERT OR IGNORE INTO t VALUES (?)",
)
BEGIN, INSERT, SELECT, COMMIT, VACUUM, JOURNAL, IGNORE = range(1, 8)
SLEEPS: Final = (1, 2, 5, 10, 15, 20, 7)
"""Of SQLite's busy handler with a timeout of 60 ms."""


class Row(NamedTuple):
    """One record of a scene, in milliseconds from its beginning."""

    at: float
    process: int
    kind: Kind
    mode: Mode = Mode.UNLOCK
    slot: Slot | None = None
    error: int = 0
    context: int = 0
    took: float = 0.0


Scene = list[Row]
FILES: Final = ("", "/rollback.db", "/wal.db", "/wal.db-shm")
ROLLBACK, WAL, LOG = range(1, 4)


def hold(process: int, slot: Slot, began: float, ended: float, context: int = INSERT) -> Scene:
    """A lock that is taken and released."""
    return [
        Row(began, process, Kind.LOCK, Mode.EXCLUSIVE, slot, context=context),
        Row(ended, process, Kind.LOCK, Mode.UNLOCK, slot, context=context),
    ]


def read(process: int, slot: Slot, began: float, ended: float) -> Scene:
    """A read lock that is taken and released."""
    return [
        Row(began, process, Kind.LOCK, Mode.SHARED, slot, context=SELECT),
        Row(ended, process, Kind.LOCK, Mode.UNLOCK, slot, context=SELECT),
    ]


def writes(process: int, began: float, ended: float) -> Scene:
    """A write transaction in a rollback mode."""
    return [
        *read(process, Slot.SHARED, began - 0.1, ended + 0.1),
        *hold(process, Slot.RESERVED, began, ended),
    ]


def said(process: int, context: int, began: float, ended: float, code: int = 0) -> Scene:
    """A statement that returned."""
    return [
        Row(began, process, Kind.STATEMENT, error=code, context=context, took=ended - began),
    ]


def refused(process: int, slot: Slot, at: float, context: int = INSERT) -> Scene:
    """A request that is denied once."""
    denied = Row(at, process, Kind.LOCK, Mode.EXCLUSIVE, slot, EAGAIN, context)
    return [denied, *said(process, context, at - 0.2, at + 0.1, 5)]


def timed_out(process: int, slot: Slot, context: int = INSERT, *, first: float = 10) -> Scene:
    """A wait of 60 ms that ends in an error."""
    at, rows = first, []
    for ms in SLEEPS:
        rows.append(Row(at, process, Kind.LOCK, Mode.EXCLUSIVE, slot, EAGAIN, context))
        rows.append(Row(at, process, Kind.SLEEP, context=context, took=ms))
        at += ms
    rows.append(Row(at, process, Kind.LOCK, Mode.EXCLUSIVE, slot, EAGAIN, context))
    return [*rows, *said(process, context, first, at + 0.1, 5)]


def synced(process: int, began: float, took: float) -> Scene:
    """A sync to disk."""
    return [Row(began, process, Kind.SYNC, context=COMMIT, took=took)]


WRITE, RESERVED = Slot.WAL_WRITE, Slot.RESERVED
SCENES: Final[tuple[Scene, ...]] = (
    [*hold(0, WRITE, 5, 90), *said(0, INSERT, 4, 6), *timed_out(1, WRITE)],
    [*hold(0, WRITE, 5, 90, BEGIN), *said(0, SELECT, 6, 7), *timed_out(1, WRITE)],
    [*hold(0, WRITE, 5, 90, VACUUM), *said(0, VACUUM, 4, 91), *timed_out(2, WRITE)],
    [*hold(3, WRITE, 5, 90), *synced(3, 6, 80), *timed_out(4, WRITE), *timed_out(5, WRITE)],
    [
        *writes(0, 5, 90),
        *read(1, Slot.SHARED, 19.9, 20.2),
        *refused(1, RESERVED, 20),
        *read(2, Slot.SHARED, 29.9, 30.2),
        *refused(2, RESERVED, 30, JOURNAL),
    ],
    [
        *hold(0, WRITE, 5, 90),
        *read(6, Slot.WAL_READ1, 1, 60),
        *said(6, SELECT, 0.5, 2),
        *refused(6, WRITE, 20),
    ],
    said(7, INSERT, 10, 10.1, 517),
    [*(row for at in range(0, 80, 10) for row in hold(8, WRITE, at, at + 9)), *timed_out(9, WRITE)],
    [
        *(row for at in range(8) for row in hold(at, WRITE, at * 10, at * 10 + 9)),
        *timed_out(9, WRITE),
        *timed_out(10, WRITE, IGNORE, first=12),
    ],
    [
        *writes(0, 1, 90),
        *read(11, Slot.SHARED, 2, 80),
        *timed_out(0, Slot.SHARED, COMMIT),
    ],
    [
        *read(6, Slot.WAL_READ1, 1, 60),
        *(row for at in (10, 20, 30) for row in hold(2, Slot.WAL_CKPT, at, at + 2)),
        *(refused(2, Slot.WAL_READ1, at + 1)[0] for at in (10, 20, 30)),
    ],
)
CALM: Final[Scene] = [
    row
    for at in range(90)
    for row in (*hold(at % 12, WRITE, at, at + 0.5), *said(at % 12, INSERT, at - 0.1, at + 0.6))
]

CALMS: Final = {"few": 30, "many": 3, "only": 0}
"""Uneventful scenes after each round of the others."""


def records_of(scenes: tuple[Scene, ...], count: int) -> NDArray[np.void]:
    """At least `count` records, scene after scene."""
    blocks = [_block(place, scene) for place, scene in enumerate(scenes)]
    one = np.concatenate(blocks)
    one.sort(order="began_ns", kind="stable")
    times = -(-count // len(one))
    records: NDArray[np.void] = np.tile(one, times)
    round_ = np.repeat(np.arange(times, dtype=np.uint64), len(one))
    records["began_ns"] += round_ * np.uint64(SCENE_NS * len(scenes))
    return np.concatenate([_opened(), records])


def _opened() -> NDArray[np.void]:
    """What each connection to a database in WAL mode does first, and keeps: SHARED."""
    rows = np.concatenate(
        [_block(0, [Row(-1, at, Kind.LOCK, Mode.SHARED, Slot.SHARED)]) for at in range(PROCESSES)]
    )
    rows["file"] = WAL
    return rows


def _block(place: int, scene: Scene) -> NDArray[np.void]:
    rows = np.zeros(len(scene), MERGED)
    for at, row in enumerate(scene):
        rows[at] = tuple(_fields(place, row))
    return rows


def _fields(place: int, row: Row) -> Iterator[int]:
    bytes_ = SLOT_RANGES[row.slot] if row.slot is not None else None
    values = {
        "began_ns": MS + place * SCENE_NS + round(row.at * MS),
        "duration_ns": round(row.took * MS) or 1000,
        "start": bytes_.first if bytes_ else round(row.took * MS) * (row.kind == Kind.SLEEP),
        "length": bytes_.end - bytes_.first if bytes_ else 0,
        "thread": 1000 + row.process,
        "file": LOG if row.slot in SHM_SLOTS else ROLLBACK,
        "context": row.context,
        "kind": row.kind,
        "mode": row.mode,
        "error": row.error,
        "process": row.process,
    }
    return (int(values[name]) for name in MERGED.names or ())


def trace_of(records: NDArray[np.void]) -> Trace:
    """The trace that would have these records."""
    return Trace(
        path=Path("causes.trace"),
        manifest=Manifest(("benchmark",), "/", "host", "boot", 0, "", {}),
        processes=tuple(Process(1000 + at, began_ns=1) for at in range(PROCESSES)),
        files=tuple(TracedFile(1, at, path) for at, path in enumerate(FILES)),
        contexts=tuple(Context(sql, f"app.py:{at}" * bool(sql)) for at, sql in enumerate(SQL)),
        texts=("",),
        records=records,
        gaps=(),
    )


def measure(records: int, victims: str) -> dict[str, object]:
    """Analyse, and find the causes once more, alone."""
    trace = trace_of(records_of((*SCENES, *[CALM] * CALMS[victims]), records))
    began = time.process_time()
    analysis = analyse(interpret(trace))
    analysed = time.process_time()
    findings = find_causes(analysis)
    found = time.process_time()
    return {
        "records": len(trace.records),
        "waits": len(analysis.waits),
        "victims": sum(finding.count for finding in findings),
        "all_s": analysed - began,
        "causes_s": found - analysed,
        "causes": {finding.cause: finding.count for finding in findings},
    }


def calibration(records: int) -> float:
    """Seconds of the processor to sort as many random numbers."""
    numbers = np.random.default_rng(0).integers(0, 1 << 62, records)
    began = time.process_time()
    numbers.sort()
    return time.process_time() - began


def main() -> None:
    """Make, analyse, print, save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--victims", choices=tuple(CALMS), default="many")
    asked = parser.parse_args()
    result = measure(asked.records, asked.victims)
    result["calibration_s"] = calibration(asked.records)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"causes-{asked.victims}.json").write_text(json.dumps(result, indent=1) + "\n")
    for name, value in result.items():
        print(f"{name:>14}  {value:,.2f}" if isinstance(value, float) else f"{name:>14}  {value}")
    met = "met" if float(str(result["all_s"])) <= BUDGET_S else "NOT MET"
    print(f"budget for 1,000,000, reading apart: {BUDGET_S} s: {met}")


if __name__ == "__main__":
    main()
