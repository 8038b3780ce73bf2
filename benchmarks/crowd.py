"""A crowd of processes on one file: nothing may be lost, and the report must come in time.

    python benchmarks/crowd.py [--processes 500] [--records 10000000]

Starts that many processes at once, which together make so many lock calls on one file, with the
recorder; then reads and analyses their trace in a process of its own. Prints seconds and peak
memory, and saves them as JSON.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from lockscope.capture.recording import Recording

HERE: Final = Path(__file__).parent
BUDGET_S, BUDGET_GB = 10, 2
_READ: Final = """
import json, resource, sys, time
from pathlib import Path
began = time.monotonic()
from lockscope.analysis import analyse
from lockscope.interpret import interpret
from lockscope.trace.kinds import Kind
from lockscope.trace.reader import read_trace
trace = read_trace(Path(sys.argv[1]))
counts = {
    "locks": len(trace.places(Kind.LOCK)),
    "processes": sum(process.watched for process in trace.processes),
    "lost": sum(process.lost for process in trace.processes),
    "gaps": [gap.sentence for gap in trace.gaps],
}
interpretation = interpret(trace)
del trace
analyse(interpretation)
print(json.dumps({
    **counts,
    "total_s": time.monotonic() - began,
    "processor_s": time.process_time(),
    "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
}))
"""


def record(processes: int, calls: int, room: Path) -> float:
    """Run the crowd with the recorder; gives the seconds that it took."""
    program = room / "lock_calls"
    source = HERE / "native_programs" / "lock_calls.c"
    subprocess.run(["cc", "-O2", "-o", program, source], check=True)
    command = [str(program), str(room / "c.db"), str(calls)]
    began = time.monotonic()
    with Recording(room / "c.trace", tuple(command)) as recording:
        environment = recording.environment(os.environ)
        running = [subprocess.Popen(command, env=environment) for _ in range(processes)]
        failed = sum(process.wait() != 0 for process in running)
    if failed:
        sys.exit(f"{failed} processes failed")
    return time.monotonic() - began


def main() -> None:
    """Record, read, print, save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--processes", type=int, default=500)
    parser.add_argument("--records", type=int, default=10_000_000)
    arguments = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    calls = arguments.records // arguments.processes
    with tempfile.TemporaryDirectory() as folder:
        recorded_s = record(arguments.processes, calls, Path(folder))
        size = sum(path.stat().st_size for path in (Path(folder) / "c.trace").iterdir())
        read = [sys.executable, "-c", _READ, str(Path(folder) / "c.trace")]
        answer = subprocess.run(read, check=True, capture_output=True, text=True)
    result = {"recorded_s": recorded_s, "trace_gb": size / 1e9, **json.loads(answer.stdout)}
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "crowd.json").write_text(json.dumps(result, indent=1) + "\n")
    for name, value in result.items():
        print(f"{name:>11}  {value:,.2f}" if isinstance(value, float) else f"{name:>11}  {value}")
    whole = result["locks"] == calls * arguments.processes and result["lost"] == 0
    print("nothing was lost" if whole else "SOMETHING WAS LOST")
    verdict = result["total_s"] <= BUDGET_S and result["peak_gb"] <= BUDGET_GB
    print(f"budget for 10,000,000: {BUDGET_S} s, {BUDGET_GB} GB: {'met' if verdict else 'NOT MET'}")


if __name__ == "__main__":
    main()
