"""Who holds what, as the document `lockscope.who/1`."""

import json
from typing import Any, Final, TextIO

from lockscope.live.model import (
    HeldLock,
    Holder,
    Opener,
    Process,
    Sampling,
    Snapshot,
    Waiter,
    WalState,
)

__all__ = ["render_json", "snapshot_document"]

Document = dict[str, Any]

_PROCESS: Final = (
    "pid", "command", "user", "state", "folder", "container", "started_at", "inner_pid"
)  # fmt: skip
_HOLDER: Final = ("writes", "held_s", "held_how", "doing", "idle_s", "statement", "source")
_WAITER: Final = ("wants", "waited_s", "inferred", "how", "statement", "source")


def render_json(snapshot: Snapshot, out: TextIO, *, indent: int | None = 1) -> None:
    """Write the document."""
    json.dump(snapshot_document(snapshot), out, indent=indent)
    out.write("\n")


def snapshot_document(snapshot: Snapshot) -> Document:
    """The document; times in seconds, sizes in bytes."""
    return {
        "schema": "lockscope.who/1",
        "database": snapshot.database,
        "at": snapshot.at,
        "write_locked": snapshot.write_locked,
        "journal_mode_is_wal": snapshot.is_wal,
        "holders": [_holder(holder) for holder in snapshot.holders],
        "waiters": [_waiter(waiter) for waiter in snapshot.waiters],
        "attached": [_opener(opener) for opener in snapshot.attached],
        "wal": None if snapshot.wal is None else _wal(snapshot.wal),
        "notes": list(snapshot.notes),
        "sampled": None if snapshot.sampled is None else _sampling(snapshot.sampled),
    }


def _fields(value: object, names: tuple[str, ...]) -> Document:
    return {name: getattr(value, name) for name in names}


def _process(process: Process) -> Document:
    return _fields(process, _PROCESS)


def _lock(lock: HeldLock) -> Document:
    return _fields(lock, ("name", "file", "meaning", "by_description"))


def _holder(holder: Holder) -> Document:
    return {
        **_process(holder.process),
        "locks": [_lock(lock) for lock in holder.locks],
        "blocks": list(holder.blocks),
        **_fields(holder, _HOLDER),
        "stack": list(holder.stack),
        "notes": list(holder.notes),
    }


def _waiter(waiter: Waiter) -> Document:
    return {
        **_process(waiter.process),
        **_fields(waiter, _WAITER),
        "blockers": list(waiter.blockers),
    }


def _opener(opener: Opener) -> Document:
    return {**_process(opener.process), "locks": [_lock(lock) for lock in opener.locks]}


def _wal(wal: WalState) -> Document:
    return {
        **_fields(wal, ("frames", "checkpointed", "page_bytes", "file_bytes", "sentence")),
        "pins": [
            {
                "slot": pin.slot,
                "pids": list(pin.pids),
                **_fields(pin, ("frame", "frames_behind", "bytes_behind")),
            }
            for pin in wal.pins
        ],
    }


def _sampling(sampling: Sampling) -> Document:
    return {
        **_fields(sampling, ("seconds", "samples")),
        "writers": [
            {
                **_process(writer.process),
                **_fields(writer, ("times", "seconds", "longest_s", "share")),
            }
            for writer in sampling.writers
        ],
    }
