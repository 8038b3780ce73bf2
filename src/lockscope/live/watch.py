"""Databases watched for a while: samples that become lanes and a trace, and who holds what now."""

import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from lockscope.capture.recording import Recording, dated_folder
from lockscope.errors import CaptureError, DatabaseError
from lockscope.live.changes import ChangeReader
from lockscope.live.lanes import History
from lockscope.live.model import Process, Snapshot
from lockscope.live.moment import Moment, Watched, processes_in, rows_of
from lockscope.live.snapshot import who

__all__ = ["Watch"]

_SHARE: Final = 100
"""Looking at processes may take one part in so many of the time: each costs a fraction of a ms,
and a server may have hundreds."""
_PATIENCE_S: Final = 5.0
_LOOK_AGAIN_S: Final = 0.02
_NOTED_NS: Final = 15_000_000_000
"""For how long a note is shown."""
_MOST_BYTES: Final = 256_000_000
"""Where a trace has grown to this it begins anew: a display that is left on must not fill the disk.
At 10 samples a second, each with 5 locks that came or went, that takes a day."""


class Watch:
    """Watches databases; a context manager.

    Their locks are recorded as a trace from the beginning, in a private temporary folder that is
    removed at the end: what is saved is a copy of it.

    Args:
        databases: Their paths.
        samples_per_s: How often the kernel's list of locks is read; less often where it is so long
            that this would take more than a hundredth of the time.

    Raises:
        CaptureError: The kernel's list of locks cannot be read here, or a folder cannot be made.
        DatabaseError: There is no database at a path, or it may not be read.
    """

    def __init__(self, databases: tuple[Path, ...], samples_per_s: int) -> None:
        self._named = dict.fromkeys(databases)
        self._samples_per_s = samples_per_s
        self._seen_per_s = float(samples_per_s)
        self._paths = {path: str(path.resolve()) for path in self._named}
        self._snapshots: dict[Path, Snapshot] = {path: who(path, stack=False) for path in databases}
        self._problems: dict[Path, str] = {}
        self._history = History()
        self._known: dict[int, Process] = {}
        self._note, self._noted_ns = "", 0
        self._due_ns = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._room = Path(tempfile.mkdtemp(prefix="lockscope-top-"))
        try:
            self._begin()
        except BaseException:
            shutil.rmtree(self._room, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._end()
        finally:
            shutil.rmtree(self._room, ignore_errors=True)

    def _begin(self) -> None:
        self._recording = Recording(
            self._room / "live.trace",
            ("lockscope", *sys.argv[1:]),
            databases=tuple(self._named),
            every_ns=1_000_000_000 // self._samples_per_s,
        )
        self._recording.__enter__()
        self._reader = ChangeReader(self._recording.folder)

    def _end(self) -> None:
        with contextlib.suppress(OSError):  # somebody tidied up the folder
            self._recording.__exit__(None, None, None)

    def look(self) -> Moment:
        """What is to be seen now."""
        with self._lock:
            return self._look()

    def _look(self) -> Moment:
        now_ns = time.monotonic_ns()
        if now_ns >= self._due_ns:
            self._look_at_processes(now_ns)
        self._take_news()
        now_ns = time.monotonic_ns()
        lanes = self._history.lanes(now_ns)
        self._known = {
            pid: process
            for pid, process in self._known.items()
            if any(lane.pid == pid for lane in lanes)
        }
        watched = tuple(
            Watched(
                self._paths[path],
                str(path),
                None if path in self._problems else self._snapshots[path],
                self._problems.get(path, ""),
            )
            for path in self._named
        )
        snapshots = [one.snapshot for one in watched if one.snapshot is not None]
        return Moment(
            now_ns=now_ns,
            at=time.strftime("%H:%M:%S"),
            samples_per_s=self._seen_per_s,
            watched=watched,
            rows=rows_of(lanes, snapshots, self._known, now_ns),
            note=self._note if now_ns - self._noted_ns < _NOTED_NS else "",
        )

    def look_closer(self, database: str) -> Snapshot:
        """Who holds what of one database now, with the Python stacks of those in the way.

        Raises:
            DatabaseError: It is there no longer.
            CaptureError: Nothing can be seen of it any more.
        """
        return who(Path(database))

    def save(self) -> Path:
        """Copy what was recorded so far into a new trace in the working folder; gives its path.

        Raises:
            CaptureError: It cannot be made there.
        """
        with self._lock:
            return self._save(dated_folder(next(iter(self._named)).stem or "database"))

    def _save(self, folder: Path) -> Path:
        self._wait_for_samples()
        try:
            folder.mkdir(mode=0o700)
            # Texts last: a record names only what was written before it.
            for file in sorted(self._recording.folder.iterdir(), key=lambda f: f.suffix == ".text"):
                shutil.copy(file, folder)
            replace(self._recording.manifest, ended_ns=time.monotonic_ns()).write(folder)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise CaptureError(f"Not saved: {error.strerror} ({folder}).", path=folder) from error
        return folder

    def _look_at_processes(self, now_ns: int) -> None:
        spent_ns = time.thread_time_ns()
        for path in self._named:
            try:
                self._snapshots[path] = who(path, stack=False)
                self._problems.pop(path, None)
            except (DatabaseError, CaptureError) as error:
                self._problems[path] = str(error)
                self._history.see(now_ns, self._paths[path], ())
                continue
            snapshot = self._snapshots[path]
            people = {process.pid: process for process in processes_in(snapshot)}
            waiting = [waiter.process.pid for waiter in snapshot.waiters]
            self._history.see(now_ns, snapshot.database, people, waiting)
            self._known.update(people)
        self._notice_ends(now_ns)
        self._due_ns = now_ns + (time.thread_time_ns() - spent_ns) * _SHARE

    def _notice_ends(self, now_ns: int) -> None:
        """Take notice of processes that have ended."""
        gone = [pid for pid in self._known if pid and not os.path.exists(f"/proc/{pid}")]  # noqa: PTH110
        self._history.end(now_ns, gone)
        for pid in gone:
            self._known[pid] = self._known[pid]._replace(state="gone")

    def _wait_for_samples(self) -> None:
        """Wait until the sampler has said that it sampled up to now, which it does once a second.

        A report trusts no lock beyond that: what was seen last would be missing in it.
        """
        self._take_news()
        deadline = time.monotonic() + _PATIENCE_S
        while not self._take_news() and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_S)

    def _take_news(self) -> bool:
        """Take in what the sampler has written; whether it has said that it sampled up to then."""
        news = self._reader.read()
        self._history.take(news.changes)
        for pid, command in news.commands.items():
            if self._known.get(pid, Process(pid)).state != "gone":
                self._known.setdefault(pid, Process(pid, command))
        self._seen_per_s = news.samples_per_s or self._seen_per_s
        if news.notes:
            self._say(news.notes[-1])
        if self._reader.read_bytes > _MOST_BYTES:
            self._end()
            shutil.rmtree(self._recording.folder)
            self._history.restart(time.monotonic_ns())
            self._begin()
            self._say(f"The recording had {_MOST_BYTES:,} bytes and began anew.")
        return news.samples_per_s is not None

    def _say(self, note: str) -> None:
        self._note, self._noted_ns = note, time.monotonic_ns()
