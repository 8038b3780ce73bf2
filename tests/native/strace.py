"""The lock calls of traced programs: as strace saw them, and as the recorder kept them.

Both in the same words, thread by thread, so that what is missing or invented shows.
"""

import errno
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from recorded import Recorded

from lockscope.trace.kinds import BY_DESCRIPTION, Kind, Mode

__all__ = ["Request", "Requests", "command", "recorded_requests", "requests", "seen_requests"]

LOCKS = (Kind.LOCK, Kind.LOCK_WAIT, Kind.LOCK_TEST)
KINDS = {
    "F_SETLK": Kind.LOCK,
    "F_SETLKW": Kind.LOCK_WAIT,
    "F_GETLK": Kind.LOCK_TEST,
    "F_OFD_SETLK": Kind.LOCK,
    "F_OFD_SETLKW": Kind.LOCK_WAIT,
    "F_OFD_GETLK": Kind.LOCK_TEST,
}
MODES = {"F_UNLCK": Mode.UNLOCK, "F_RDLCK": Mode.SHARED, "F_WRLCK": Mode.EXCLUSIVE}
CALL = re.compile(
    r"^fcntl\(\d+<(?P<path>.*)>(?:\(deleted\))?, (?P<command>F_(?:OFD_)?(?:SETLKW?|GETLK)), "
    r"\{l_type=(?P<mode>\w+), l_whence=SEEK_SET, l_start=(?P<start>\d+), l_len=(?P<length>\d+)"
    r"(?:, l_pid=-?\d+)?\}\) += -?\d+(?: (?P<error>\w+))?"
)


class Request(NamedTuple):
    """One lock call on one file."""

    kind: Kind
    mode: Mode
    start: int
    length: int
    error: int


Requests = dict[int, list[tuple[str, Request]]]
"""The path of the file and the request, in order, of each thread."""


def requests(segment: Recorded) -> list[Request]:
    """The lock calls of a segment, as they were asked for."""
    return [
        Request(
            Kind(r["kind"]),
            Mode(int(r["mode"]) & ~BY_DESCRIPTION),
            int(r["start"]),
            int(r["length"]),
            int(r["error"]),
        )
        for r in segment.of(*LOCKS)
    ]


def command(log: Path) -> list[str]:
    """strace and its options: a log beside `log` for each thread, with the paths of files."""
    return ["strace", "-f", "-ff", "-y", "-s", "4096", "-e", "trace=fcntl", "-o", str(log)]


def _answered(request: Request) -> Request:
    """A test as its answer tells it: what was asked for is overwritten by the kernel, fcntl(2)."""
    if request.kind != Kind.LOCK_TEST:
        return request
    if request.error == 0:
        return request._replace(mode=Mode.UNLOCK)
    return request._replace(mode=Mode.UNLOCK, start=0, length=0)


def recorded_requests(segments: Iterable[Recorded]) -> Requests:
    """What the recorder kept, of segments in the order of their beginning."""
    kept: Requests = {}
    for segment in segments:
        paths = {int(f["file"]): segment.text(f["length"]) for f in segment.of(Kind.FILE)}
        for record, request in zip(segment.of(*LOCKS), requests(segment), strict=True):
            entry = (paths[int(record["file"])], _answered(request))
            kept.setdefault(int(record["thread"]), []).append(entry)
    return kept


def _seen(line: str) -> tuple[str, Request] | None:
    found = CALL.match(line)
    if found is None:
        assert not re.search(r"F_(OFD_)?[SG]ETLK", line), line
        return None
    kind, mode = KINDS[found["command"]], MODES[found["mode"]]
    code = getattr(errno, found["error"]) if found["error"] else 0
    if kind == Kind.LOCK_TEST and mode != Mode.UNLOCK:
        code = errno.EAGAIN
    request = Request(kind, mode, int(found["start"]), int(found["length"]), code)
    return found["path"], _answered(request)


def seen_requests(log: Path, *names: str) -> Requests:
    """What strace saw, on files whose path ends in one of `names` only."""
    seen: Requests = {}
    for path in log.parent.glob(f"{log.name}.*"):
        entries = map(_seen, path.read_text().splitlines())
        wanted = [entry for entry in entries if entry is not None and entry[0].endswith(names)]
        if wanted:
            seen[int(path.suffix[1:])] = wanted
    return seen
