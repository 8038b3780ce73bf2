"""A small language for lock stories, so that a test reads as what happened.

    0    P1 RD SHARED
    1    P1 WR RESERVED
    2    P2 WR RESERVED denied
    2+3  P2 sleep
    9    P1 UN ALL

The first word is a time in milliseconds, with `+N` the milliseconds that it took (0 otherwise). A
request names a slot of SQLite or `FIRST,LENGTH` bytes of the database; `ALL` is the whole file. It
ends with `denied`, with `failed` where the system could not lock, or with `ofd` where the lock is
the open file description's.
Other words: `sleep` (or `sleep MS`, asked for), `sync` and `writes BYTES` (of the database),
`writes -wal` (a page of the file with that ending), `exit`, `killed`, `exec` (or `exec failed`),
`close` (of a descriptor of the database), `close-shm`, `unlink`, `rename`, `replace` (the
database, or the file with the ending that follows), `fork P2`, `lost` (a record, the first),
`returned CODE` (a statement that began with the process's last `asks LINE`).
"""

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np

from lockscope.locks.sqlite import SHM_SLOTS, SLOT_RANGES, Slot
from lockscope.trace.kinds import BY_DESCRIPTION, EndMode, Kind, Mode, Removal
from lockscope.trace.manifest import Manifest
from lockscope.trace.model import Context, Process, Trace, TracedFile
from lockscope.trace.records import MERGED

__all__ = ["MS", "trace_of"]

MS = 1_000_000
_MODES = {"RD": Mode.SHARED, "WR": Mode.EXCLUSIVE, "UN": Mode.UNLOCK}
_DATABASE, _SHM = 1, 2
_ENDINGS = ("", "-shm", "-wal", "-journal")
_ELSEWHERE = 1
_ERRORS = {"denied": errno.EAGAIN, "failed": errno.ENOLCK}


def trace_of(story: str) -> Trace:
    """The trace that a story would have left."""
    teller = _Teller()
    for line in story.strip().splitlines():
        words = line.split("#")[0].split()
        if words:
            teller.tell(*words)
    return teller.trace()


class _Teller:
    def __init__(self) -> None:
        self.processes: dict[str, Process] = {}
        self.contexts = [Context("", "")]
        self.asking: dict[str, tuple[int, int]] = {}
        self.rows: list[tuple[int, ...]] = []
        self.last = 0

    def tell(self, time: str, name: str, verb: str, *rest: str) -> None:
        began, _, took = time.partition("+")
        at, duration = round(float(began) * MS), round(float(took or 0) * MS)
        self.last = max(self.last, at + duration)
        process = self.processes.setdefault(name, Process(100 + len(self.processes), began_ns=0))
        if verb in _MODES:
            self._lock(name, at, duration, verb, *rest)
        elif verb == "lost":
            self.processes[name] = replace(process, lost=1, blind_ns=at)
        elif verb in ("exit", "killed"):
            end = EndMode.EXITED if verb == "exit" else EndMode.SIGNALLED
            self.processes[name] = replace(
                process, ended_ns=at, end=end, exited=verb == "exit", status=9
            )
        else:
            getattr(self, "_" + verb.replace("-", "_"))(name, at, duration, *rest)

    def _lock(self, name: str, at: int, duration: int, *request: str) -> None:
        verb, slot, verdict = (*request, "ok")[:3]
        start, length, file = _range(slot)
        error = _ERRORS.get(verdict, 0)
        self._row(
            (name, at, duration, Kind.LOCK),
            start=start,
            length=length,
            file=file,
            mode=_MODES[verb] | (BY_DESCRIPTION if verdict == "ofd" else 0),
            error=error,
        )

    def _sleep(self, name: str, at: int, duration: int, asked: str = "") -> None:
        self._row((name, at, duration, Kind.SLEEP), start=int(asked) * MS if asked else duration)

    def _sync(self, name: str, at: int, duration: int) -> None:
        self._row((name, at, duration, Kind.SYNC), file=_DATABASE)

    def _writes(self, name: str, at: int, duration: int, what: str = "") -> None:
        of, bytes_ = (what, "4096") if what in _ENDINGS else ("", what)
        file = _ENDINGS.index(of) + 1
        self._row((name, at, duration, Kind.WRITES), file=file, start=1, length=int(bytes_))

    def _exec(self, name: str, at: int, duration: int, result: str = "ok") -> None:
        self._row((name, at, duration, Kind.EXEC))
        if result == "failed":
            self._row((name, at, duration, Kind.EXEC), error=errno.ENOENT)

    def _fork(self, name: str, at: int, duration: int, child: str) -> None:
        forked = self.processes.setdefault(child, Process(100 + len(self.processes), began_ns=at))
        self._row((name, at, duration, Kind.FORK), start=forked.pid)

    def _close(self, name: str, at: int, duration: int) -> None:
        self._row((name, at, duration, Kind.CLOSE), file=_DATABASE)

    def _close_shm(self, name: str, at: int, duration: int) -> None:
        self._row((name, at, duration, Kind.CLOSE), file=_SHM)

    def _unlink(self, name: str, at: int, _: int, ending: str = "") -> None:
        self._remove(name, at, ending, how=Removal.UNLINKED)

    def _rename(self, name: str, at: int, _: int, ending: str = "") -> None:
        self._remove(name, at, ending, how=Removal.RENAMED, length=_ELSEWHERE)

    def _replace(self, name: str, at: int, _: int, ending: str = "") -> None:
        self._remove(name, at, ending, how=Removal.REPLACED, length=_ELSEWHERE)

    def _remove(self, name: str, at: int, ending: str, *, how: Removal, length: int = 0) -> None:
        file = _ENDINGS.index(ending) + 1
        self._row((name, at, 0, Kind.REMOVE), file=file, mode=how, length=length)

    def _asks(self, name: str, at: int, duration: int, line: str, *sql: str) -> None:
        assert not duration
        self.contexts.append(Context(" ".join(sql), line))
        self.asking[name] = (at, len(self.contexts) - 1)

    def _returned(self, name: str, at: int, duration: int, code: str = "0") -> None:
        assert not duration
        began, _ = self.asking[name]
        self._row((name, began, at - began, Kind.STATEMENT), error=int(code))
        del self.asking[name]

    def _row(self, event: tuple[str, int, int, Kind], **fields: int) -> None:
        name, at, duration, kind = event
        values = {
            "began_ns": at,
            "duration_ns": duration,
            "thread": self.processes[name].pid,
            "context": self.asking.get(name, (0, 0))[1],
            "kind": kind,
            "process": list(self.processes).index(name),
            **fields,
        }
        self.rows.append(tuple(values.get(field, 0) for field in MERGED.names or ()))

    def trace(self) -> Trace:
        records = np.array(self.rows, MERGED)
        return Trace(
            path=Path("story.trace"),
            manifest=Manifest(("story",), "/", "host", "boot", 0, "", {}, ended_ns=self.last),
            processes=tuple(self.processes.values()),
            files=(
                TracedFile(0, 0, ""),
                *(TracedFile(1, 7 + place, "/a.db" + end) for place, end in enumerate(_ENDINGS)),
            ),
            contexts=tuple(self.contexts),
            texts=("", "/elsewhere.db"),
            records=records[np.argsort(records["began_ns"], kind="stable")],
            gaps=(),
        )


def _range(slot: str) -> tuple[int, int, int]:
    if slot == "ALL":
        return 0, 0, _DATABASE
    if "," in slot:
        start, length = (int(word) for word in slot.split(","))
        return start, length, _DATABASE
    known = Slot[slot]
    bytes_ = SLOT_RANGES[known]
    return bytes_.first, bytes_.end - bytes_.first, _SHM if known in SHM_SLOTS else _DATABASE
