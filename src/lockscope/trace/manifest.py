"""The manifest of a trace: what was recorded, where, with what."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Self

from lockscope.errors import TraceError
from lockscope.trace.kinds import VERSION

__all__ = ["MANIFEST_NAME", "DatabaseFile", "Manifest"]

MANIFEST_NAME: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """A database that the trace saw: where it lay and which file that was.

    Attributes:
        path: As the first process that locked it knew it.
        device: `st_dev`.
        inode: `st_ino`; with the device it names the file even after a rename.
        journal_mode: `wal`, `rollback`, or `unknown`, as the file said when the recording ended.
        file_system: Type of the file system on which its path lay then, as `mount(8)` names it;
            `unknown`, or empty in a trace that does not tell.
    """

    path: str
    device: int
    inode: int
    journal_mode: str
    file_system: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was recorded, where, with what.

    Attributes:
        command: The command line, word by word.
        folder: The working folder of the command.
        host: The machine's name.
        boot_id: The kernel's boot id: two traces share a clock only when it is equal.
        started_ns: CLOCK_MONOTONIC when the recording began.
        started_at: The same moment on the wall clock, ISO 8601 with offset; for people only.
        ended_ns: CLOCK_MONOTONIC when the recording ended, 0 while it goes on or where it was cut
            off.
        versions: Of `lockscope`, `python`, `sqlite`.
        capture: What could be recorded: `locks` and `literals` (true or false), `missing` (a
            sentence, or empty).
        databases: Known once the recording has ended.
        exit_status: Of the command; negative for a signal, None where unknown.
        format: Version of the trace format.
    """

    command: tuple[str, ...]
    folder: str
    host: str
    boot_id: str
    started_ns: int
    started_at: str
    versions: dict[str, str]
    ended_ns: int = 0
    capture: dict[str, bool | str] = field(default_factory=dict)
    databases: tuple[DatabaseFile, ...] = ()
    exit_status: int | None = None
    format: int = VERSION

    def write(self, trace: Path) -> None:
        """Put the manifest into the trace's folder, in one step, so that no reader meets half of
        it.
        """
        unfinished = trace / f".{MANIFEST_NAME}"
        unfinished.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        unfinished.chmod(0o600)
        unfinished.replace(trace / MANIFEST_NAME)

    @classmethod
    def read(cls, trace: Path) -> Self:
        """Read the manifest of a trace's folder.

        Raises:
            TraceError: There is none, it is damaged, or a newer lockscope wrote it.
        """
        path = trace / MANIFEST_NAME
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise TraceError(
                f"{trace} is not a trace: it has no {MANIFEST_NAME}.", path=trace
            ) from error
        except OSError as error:
            raise TraceError(f"{path} cannot be read: {error.strerror}.", path=path) from error
        except ValueError as error:
            raise TraceError(f"{path} is damaged: it is not JSON ({error}).", path=path) from error
        return cls._checked(document, path)

    @classmethod
    def _checked(cls, document: object, path: Path) -> Self:
        version = document.get("format") if isinstance(document, dict) else None
        if not isinstance(document, dict) or not isinstance(version, int):
            raise TraceError(f"{path} is not the manifest of a trace.", path=path)
        if version > VERSION:
            raise TraceError(
                f"{path.parent} has trace format {version}; this lockscope reads up to {VERSION}. "
                "Read it with the lockscope that recorded it, or a newer one.",
                path=path,
            )
        # What is not known was added by a newer lockscope that still writes this format.
        fields = {name: value for name, value in document.items() if name in _CHECKS}
        for name, value in fields.items():
            if not _CHECKS[name](value):
                raise TraceError(f"{path} is damaged: {name!r} is {value!r:.40}.", path=path)
        try:
            command = tuple(fields.pop("command"))
            databases = tuple(DatabaseFile(**entry) for entry in fields.pop("databases", ()))
            return cls(command=command, databases=databases, **fields)
        except (TypeError, KeyError) as error:
            raise TraceError(f"{path} is damaged: {error}.", path=path) from error


def _is_number(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 63


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(v, bool | str) for v in value.values())


def _is_databases(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _is_status(value: object) -> bool:
    return value is None or isinstance(value, int)


_CHECKS: Final[dict[str, Callable[[object], bool]]] = {
    "command": _is_texts,
    "folder": _is_text,
    "host": _is_text,
    "boot_id": _is_text,
    "started_ns": _is_number,
    "started_at": _is_text,
    "ended_ns": _is_number,
    "versions": _is_mapping,
    "capture": _is_mapping,
    "databases": _is_databases,
    "exit_status": _is_status,
    "format": _is_number,
}
"""What each key of a manifest may hold."""
