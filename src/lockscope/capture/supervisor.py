"""The supervisor: sees from outside when a recorded process ends, which the process itself cannot
always tell.
"""

import contextlib
import os
import select
import threading
import time
from pathlib import Path
from typing import Final, Self

from lockscope.capture.pruning import Pruning
from lockscope.trace.kinds import EndMode, Kind, Recorder
from lockscope.trace.writer import SegmentWriter, process_start

__all__ = ["Supervisor"]

_LOOK_EVERY_MS: Final = 20
"""How often the trace's folder is looked at for new processes. One that first locks a database and
ends between two looks has its end recorded up to this late."""
_LEAST_MS: Final = 2
_LOOKING_SHARE: Final = 4
"""The same where the trace has a greatest size: small programs may fill its last eighth within 20
ms. A look takes no more than one part in four of the time."""


class Supervisor:
    """Watches every process that begins a segment in a trace's folder, and records the moment it
    ends.

    `kill -9` leaves no record by the victim, and its locks vanish with it: without the supervisor a
    hold would seem to last until somebody else proved it over. Uses one thread, and one pidfd for
    each living process.

    Args:
        trace: The trace's folder.
        pruning: Told of each end, where the trace has a greatest size.
    """

    def __init__(self, trace: Path, pruning: Pruning | None = None) -> None:
        self._trace = trace
        self._pruning = pruning
        self._writer = SegmentWriter(trace, Recorder.SUPERVISOR)
        self._poll = select.poll() if hasattr(os, "pidfd_open") else None
        self._pids: dict[int, int] = {}
        self._seen: set[str] = set()
        self._watched: set[tuple[int, int]] = set()
        self._folder_changed_ns = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lockscope-supervisor", daemon=True)

    def __enter__(self) -> Self:
        if self._poll is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for descriptor in self._pids:
            os.close(descriptor)
        self._writer.close()

    def ended(self, pid: int, status: int) -> None:
        """Record how a child ended.

        Args:
            pid: The child.
            status: As `subprocess.Popen.returncode` gives it: negative for a signal.
        """
        mode = EndMode.SIGNALLED if status < 0 else EndMode.EXITED
        self._writer.record(
            Kind.ENDED, began_ns=time.monotonic_ns(), start=pid, file=abs(status), mode=mode
        )

    def _run(self) -> None:
        while not self._stop.is_set():
            began_ns = time.monotonic_ns()
            self._meet_processes()
            pause_ms = _LOOK_EVERY_MS
            if self._pruning:
                self._pruning.keep()
                took_ms = (time.monotonic_ns() - began_ns) // 1_000_000
                pause_ms = min(pause_ms, max(_LEAST_MS, took_ms * (_LOOKING_SHARE - 1)))
            self._see_ends(pause_ms)
        self._meet_processes()
        self._see_ends(0)

    def _meet_processes(self) -> None:
        # The program may take the trace's folder away: then nobody new is met.
        try:
            changed = self._trace.stat().st_mtime_ns
            self._meet_new(changed)
        except OSError:
            return

    def _meet_new(self, changed: int) -> None:
        if changed == self._folder_changed_ns:
            return
        self._folder_changed_ns = changed
        for name in os.listdir(self._trace):  # noqa: PTH208 - thousands of names, no Path for each
            pid = name.split("-", 1)[0]
            if name not in self._seen and name.endswith("-native.segment") and pid.isdecimal():
                self._seen.add(name)
                self._watch(int(pid))

    def _watch(self, pid: int) -> None:
        start = process_start(pid)
        if (pid, start) in self._watched:
            return
        self._watched.add((pid, start))
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            self._record_end(pid)
            return
        self._pids[descriptor] = pid
        assert self._poll is not None
        self._poll.register(descriptor, select.POLLIN)

    def _see_ends(self, timeout_ms: int) -> None:
        assert self._poll is not None
        if not self._pids:
            self._stop.wait(timeout_ms / 1000)
            return
        for descriptor, _ in self._poll.poll(timeout_ms):
            self._poll.unregister(descriptor)
            self._record_end(self._pids.pop(descriptor))
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _record_end(self, pid: int) -> None:
        self._writer.record(Kind.ENDED, began_ns=time.monotonic_ns(), start=pid)
        if self._pruning:
            self._pruning.ended(pid)
