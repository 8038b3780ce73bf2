"""How long and how much memory it takes to read and analyse a large trace.

    python benchmarks/reading.py [--records 10000000]

Makes a trace of eight processes that share one WAL database, one request in ten denied and slept
on, and reads it in a process of its own. Prints seconds and peak memory beside the budget, and
saves them as JSON. Seconds depend on the machine: `calibration` is the time that the same machine
takes, in the same run, to sort as many random 64-bit numbers.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lockscope.trace.kinds import HEADER_BYTES, MAGIC, TEXT_HEAD, VERSION, Kind, Mode, Recorder
from lockscope.trace.manifest import Manifest
from lockscope.trace.records import HEADER, RECORD

PROCESSES = 8
BUDGET_S, BUDGET_GB = 10, 2
RESULTS = Path(__file__).parent / "results"

_READ = """
import json, resource, sys, time
from pathlib import Path
began = time.monotonic()
from lockscope.analysis import analyse
from lockscope.interpret import interpret
from lockscope.trace.reader import read_trace
trace = read_trace(Path(sys.argv[1]))
read = time.monotonic()
records = len(trace.records)
interpretation = interpret(trace)
del trace
interpreted = time.monotonic()
analysis = analyse(interpretation)
analysed = time.monotonic()
print(json.dumps({
    "records": records,
    "events": len(interpretation.events),
    "holds": len(analysis.holds),
    "waits": len(analysis.waits),
    "read_s": read - began,
    "interpret_s": interpreted - read,
    "analyse_s": analysed - interpreted,
    "total_s": analysed - began,
    "processor_s": time.process_time(),
    "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
}))
"""


def transactions(process: int, count: int) -> NDArray[np.void]:
    """`count` records of one process: WAL write transactions, every second one denied once.

    One transaction is a read lock, the write lock, its release and the read lock's release, and the
    writes to the log; a denied one gives its read lock back, sleeps 1 ms and begins anew.
    """
    rows = [
        (Kind.LOCK, Mode.SHARED, 0, 124),
        (Kind.LOCK, Mode.EXCLUSIVE, 11, 120),
        (Kind.LOCK, Mode.UNLOCK, 0, 124),
        (Kind.SLEEP, 0, 0, 1_000_000),
        (Kind.LOCK, Mode.SHARED, 0, 124),
        (Kind.LOCK, Mode.EXCLUSIVE, 0, 120),
        (Kind.WRITES, 0, 0, 2),
        (Kind.LOCK, Mode.UNLOCK, 0, 120),
        (Kind.LOCK, Mode.UNLOCK, 0, 124),
        (Kind.LOCK, Mode.SHARED, 0, 124),
        (Kind.LOCK, Mode.EXCLUSIVE, 0, 120),
        (Kind.WRITES, 0, 0, 2),
        (Kind.LOCK, Mode.UNLOCK, 0, 120),
        (Kind.LOCK, Mode.UNLOCK, 0, 124),
    ]
    pattern = np.zeros(len(rows), RECORD)
    for place, (kind, mode, error, start) in enumerate(rows):
        for field, value in (("kind", kind), ("mode", mode), ("error", error), ("start", start)):
            pattern[field][place] = value
    pattern["length"], pattern["file"], pattern["thread"] = 1, 2, 1000 + process
    records: NDArray[np.void] = np.resize(pattern, count)
    # Each process has a slot of its own in a round of PROCESSES transactions: no two hold at once.
    places = np.arange(count, dtype=np.uint64)
    round_, within = places // len(rows), places % len(rows)
    records["began_ns"] = 1_000_000 + (round_ * PROCESSES + process) * 20_000 + within * 1_000
    records["duration_ns"] = np.where(records["kind"] == Kind.SLEEP, 900, 300)
    return records


def make_trace(folder: Path, records: int) -> None:
    """Write a trace of about so many records."""
    folder.mkdir()
    Manifest(("benchmark",), "/", "host", "boot", 0, "1970-01-01T00:00:00+00:00", {}).write(folder)
    for process in range(PROCESSES):
        text = TEXT_HEAD + b"/tmp/app.db\n/tmp/app.db-shm\n"
        path = len(TEXT_HEAD)
        files = np.zeros(3, RECORD)
        files["kind"], files["duration_ns"] = Kind.FILE, 1
        files["file"], files["start"], files["length"] = (
            [1, 2, 1],
            [7, 8, 7],
            [path, path + 12, path],
        )
        # One lock of the database file itself, as every connection in WAL mode holds.
        files["kind"][2], files["mode"][2], files["start"][2] = Kind.LOCK, Mode.SHARED, 0x40000002
        files["length"][2], files["duration_ns"][2] = 510, 300
        rows = np.concatenate([files, transactions(process, records // PROCESSES - 3)])
        rows["sequence"] = np.arange(1, len(rows) + 1)
        header = np.zeros(1, HEADER)
        header["magic"], header["version"], header["pid"] = MAGIC, VERSION, 1000 + process
        header["header_bytes"], header["record_bytes"] = HEADER_BYTES, RECORD.itemsize
        header["recorder"], header["next"] = Recorder.NATIVE, len(rows)
        stem = folder / f"{1000 + process}-0-native"
        with stem.with_suffix(".segment").open("wb") as file:
            file.write(header.tobytes().ljust(HEADER_BYTES, b"\0"))
            rows.tofile(file)
        stem.with_suffix(".text").write_bytes(text)


def calibration(records: int) -> float:
    """Seconds to sort as many random numbers."""
    numbers = np.random.default_rng(0).integers(0, 1 << 62, records)
    began = time.monotonic()
    numbers.sort()
    return time.monotonic() - began


def main() -> None:
    """Make, read, print, save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--records", type=int, default=10_000_000)
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory() as room:
        make_trace(Path(room) / "b.trace", records)
        answer = subprocess.run(
            [sys.executable, "-c", _READ, str(Path(room) / "b.trace")],
            check=True,
            capture_output=True,
            text=True,
        )
    result = {**json.loads(answer.stdout), "calibration_s": calibration(records)}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "reading.json").write_text(json.dumps(result, indent=1) + "\n")
    for name, value in result.items():
        print(f"{name:>14}  {value:,.2f}" if isinstance(value, float) else f"{name:>14}  {value:,}")
    verdict = result["total_s"] <= BUDGET_S and result["peak_gb"] <= BUDGET_GB
    print(f"budget for 10,000,000: {BUDGET_S} s, {BUDGET_GB} GB: {'met' if verdict else 'NOT MET'}")


if __name__ == "__main__":
    main()
