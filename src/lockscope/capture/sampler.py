"""The sampler: asks the kernel again and again who holds the files of a trace.

Beside the recorders it accounts for every holder, recorded or not; alone it records programs that
already run. It writes what changed between two samples, and how closely they followed.
"""

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from lockscope.capture.holder_states import HolderStates
from lockscope.capture.holders import Holder, describe, holder_of_description
from lockscope.capture.proc_locks import Identity, KernelLock, LockList, identities
from lockscope.capture.sampled_files import AskedFiles, FileSource, FoundFile, TracedFiles
from lockscope.errors import CaptureError
from lockscope.trace.kinds import Kind, Recorder
from lockscope.trace.writer import SegmentWriter

__all__ = ["GENTLE_NS", "Sampler"]

GENTLE_NS: Final = 50_000_000
"""Between two samples beside recorders: 20 a second. Whoever asks for no more than that must not be
slowed down by it."""
_IDLE_SHARE: Final = 100
"""Then a sample may take one part in so many of the time: a list of thousands of locks
takes milliseconds, during which the kernel lets nobody lock (`fs/locks.c`, locks_start)."""
_STRETCH_NS: Final = 1_000_000_000
_LOOK_AGAIN_NS: Final = 1_000_000_000
_U32: Final = 0xFFFFFFFF

Held = tuple[int, int, KernelLock]
"""Number of the file, pid of the holder, and the lock."""


@dataclass(slots=True)
class _Stretch:
    """Samples that followed one another."""

    began_ns: int
    ended_ns: int = 0
    count: int = 0
    longest_pause_ns: int = 0
    longest_sample_ns: int = 0


@dataclass(slots=True)
class _Files:
    """The files that are looked for, by the names that the kernel's list may give them."""

    numbers: dict[Identity, int] = field(default_factory=dict)
    identities: dict[int, frozenset[Identity]] = field(default_factory=dict)
    found: dict[int, FoundFile] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)


class Sampler:
    """Samples the locks on the files of a trace into a segment of its own, in a thread; a context
    manager.

    Args:
        trace: The trace's folder.
        databases: Sample these alone, by their paths; by default the files that the trace's
            recorders meet.
        every_ns: Time between two samples; from `GENTLE_NS` on it becomes longer where sampling
            would take more than a hundredth of the time.
        literals: Keep the literals of SQL in the holders' command lines.

    Raises:
        CaptureError: `databases` were given and the kernel's list cannot be read, or hides locks.
    """

    def __init__(
        self,
        trace: Path,
        databases: tuple[Path, ...] = (),
        every_ns: int = GENTLE_NS,
        *,
        literals: bool = False,
    ) -> None:
        self._literals = literals
        self._alone = bool(databases)
        self._source: FileSource = AskedFiles(databases) if databases else TracedFiles(trace)
        self._list = self._open()
        self._writer = SegmentWriter(trace, Recorder.SAMPLER)
        self._every_ns = every_ns
        self._started_ns = time.monotonic_ns()
        self._files = _Files()
        self._held: set[Held] = set()
        self._described: dict[int, tuple[Holder, int]] = {}
        self._states = HolderStates()
        self._owners: dict[tuple[int, KernelLock], int] = {}
        self._previous_ns = self._cost_ns = 0
        self._stretch = _Stretch(self._started_ns)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lockscope-sampler", daemon=True)

    def _open(self) -> LockList | None:
        self._problem = ""
        try:
            locks = LockList()
            locks.check()
        except CaptureError as error:
            if self._alone:
                raise
            self._problem = str(error)
            return None
        return locks

    def __enter__(self) -> Self:
        if self._list is None:
            self._note(f"Holders outside this trace cannot be seen: {self._problem}")
        else:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._list is not None:
            self._thread.join()
            self._list.__exit__()
        self._writer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            began_ns, spent_ns = time.monotonic_ns(), time.thread_time_ns()
            self._step()
            # An average: describing a holder is dear, but is done once.
            self._cost_ns += (time.thread_time_ns() - spent_ns - self._cost_ns) // 16
            pause_ns = began_ns + self._every_ns - time.monotonic_ns()
            if self._every_ns >= GENTLE_NS:
                pause_ns = max(pause_ns, self._cost_ns * _IDLE_SHARE)
            self._stop.wait(max(0, pause_ns) / 1e9)
        self._step()
        self._finish_stretch()

    def _step(self) -> None:
        """Take one sample, if there is a file to look for."""
        for file in self._source.found():
            self._follow(file)
        for sentence in self._source.notes:
            self._note(sentence)
        self._source.notes.clear()
        if self._files.numbers:
            self._sample()

    def _follow(self, file: FoundFile) -> None:
        known = identities(file.path, file.device, file.inode)
        number = len(self._files.found) + 1
        self._files.found[number] = file
        self._files.identities[number] = frozenset({*known, (file.device, file.inode)})
        self._files.numbers.update(dict.fromkeys(known, number))
        self._files.fresh.add(number)
        self._tell(number, file)

    def _tell(self, number: int, file: FoundFile) -> None:
        self._writer.record(
            Kind.FILE,
            began_ns=time.monotonic_ns(),
            duration_ns=file.device,
            start=file.inode,
            length=self._writer.text(file.path),
            file=number,
        )

    def _is_itself(self, number: int) -> bool:
        """Whether a file still lies at its path; else it is followed no longer.

        The inode of a deleted file may be somebody else's database by now.
        """
        file = self._files.found[number]
        try:
            status = os.stat(file.path)  # noqa: PTH116 - at every lock that appears
        except OSError:
            status = None
        if status is not None and (status.st_dev, status.st_ino) == (file.device, file.inode):
            return True
        for identity in self._files.identities[number]:
            if self._files.numbers.get(identity) == number:
                del self._files.numbers[identity]
        # A second FILE record of one number says that it is no longer followed.
        self._tell(number, file)
        return False

    def _note(self, sentence: str) -> None:
        self._writer.record(
            Kind.NOTE, began_ns=time.monotonic_ns(), length=self._writer.text(sentence)
        )

    def _sample(self) -> None:
        assert self._list is not None
        began_ns = time.monotonic_ns()
        locks = self._list.locks(self._files.numbers.keys())
        ended_ns = time.monotonic_ns()
        held = {self._with_owner(lock) for lock in locks if lock.pid != os.getpid()}
        new = held - self._held
        moved = {file for file in {file for file, _, _ in new} if not self._is_itself(file)}
        if moved:
            held = {entry for entry in held if entry[0] not in moved}
            new &= held
        for file, pid, lock in self._held - held:
            self._change(file, pid, lock, (self._previous_ns, ended_ns), mode=0)
        for file, pid, lock in new:
            since_ns = self._started_ns if file in self._files.fresh else self._previous_ns
            self._describe(pid, ended_ns)
            self._change(file, pid, lock, (since_ns, ended_ns), mode=lock.mode)
        self._held = held
        self._look_at_states(ended_ns)
        self._files.fresh.clear()
        self._owners = {(file, lock): pid for file, pid, lock in held if not lock.pid}
        self._count(began_ns, ended_ns)
        self._previous_ns = began_ns

    def _with_owner(self, lock: KernelLock) -> Held:
        file = self._files.numbers[lock.device, lock.inode]
        if lock.pid:
            return file, lock.pid, lock
        key = (file, lock)
        if key not in self._owners:
            self._owners[key] = holder_of_description(lock, self._files.identities[file])
        return file, self._owners[key], lock

    def _change(
        self, file: int, pid: int, lock: KernelLock, between: tuple[int, int], *, mode: int
    ) -> None:
        self._writer.record(
            Kind.SEEN,
            began_ns=between[0],
            duration_ns=between[1] - between[0],
            start=lock.start,
            length=lock.length,
            file=file,
            context=pid,
            mode=mode,
            # What is no longer seen must still say which of two locks on the bytes it was.
            error=lock.mode,
        )

    def _describe(self, pid: int, at_ns: int) -> None:
        """Record who a holder is, once; again where its number has gone to another process."""
        known, looked_ns = self._described.get(pid, (None, 0))
        if not pid or at_ns - looked_ns < _LOOK_AGAIN_NS:
            return
        holder = describe(pid, literals=self._literals)
        self._described[pid] = (holder, at_ns)
        if known is None or holder.start != known.start:
            self._tell_holder(holder, at_ns, 0)

    def _look_at_states(self, at_ns: int) -> None:
        """Record which holders do not go on, and which go on again."""
        for pid, state in self._states.changed({pid for _, pid, _ in self._held if pid}):
            self._tell_holder(self._described[pid][0], at_ns, state)

    def _tell_holder(self, holder: Holder, at_ns: int, state: int) -> None:
        self._writer.record(
            Kind.HOLDER,
            began_ns=at_ns,
            duration_ns=holder.start,
            start=holder.pid | holder.inner_pid << 32,
            length=self._writer.text(holder.command),
            file=self._writer.text(holder.folder),
            context=0 if holder.user is None else min(holder.user + 1, _U32),
            mode=state,
        )

    def _count(self, began_ns: int, ended_ns: int) -> None:
        stretch = self._stretch
        if not stretch.count:
            stretch.began_ns = began_ns
        if self._previous_ns:
            pause_ns = began_ns - self._previous_ns
            stretch.longest_pause_ns = max(stretch.longest_pause_ns, pause_ns)
        stretch.longest_sample_ns = max(stretch.longest_sample_ns, ended_ns - began_ns)
        stretch.ended_ns = ended_ns
        stretch.count += 1
        if ended_ns - stretch.began_ns >= _STRETCH_NS:
            self._finish_stretch()

    def _finish_stretch(self) -> None:
        stretch = self._stretch
        if stretch.count:
            self._writer.record(
                Kind.SAMPLES,
                began_ns=stretch.began_ns,
                duration_ns=stretch.ended_ns - stretch.began_ns,
                start=stretch.count,
                length=min(stretch.longest_pause_ns, _U32),
                file=min(stretch.longest_sample_ns, _U32),
            )
        self._stretch = _Stretch(0)
