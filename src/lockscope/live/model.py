"""What is seen of a database at one moment."""

from typing import Literal, NamedTuple

__all__ = [
    "HeldLock",
    "Holder",
    "Opener",
    "Pin",
    "Process",
    "Sampling",
    "Snapshot",
    "Waiter",
    "WalState",
    "Writer",
]


class HeldLock(NamedTuple):
    """One lock of SQLite's protocol that a process holds.

    Attributes:
        name: As SQLite calls it: `RESERVED`, `WAL WRITE`.
        file: Path of the file whose bytes are locked.
        meaning: What that says of the holder, as the end of a sentence.
        by_description: Whether the lock is an open file description's (OFD), not the process's.
    """

    name: str
    file: str
    meaning: str
    by_description: bool = False


class Process(NamedTuple):
    """Who a process is, as far as this user may know.

    Attributes:
        pid: Its number here; 0 where the kernel names none.
        command: Its command line; empty where it may not be read.
        user: Its user's name, or the number where it has no name; None where unknown.
        folder: Its working folder; empty where it may not be read.
        container: Its control group, where that is not the root's; empty where unknown.
        started_at: The wall clock's time when it started, ISO 8601; None where unknown.
        state: running, sleeping, uninterruptible, stopped, zombie, idle, gone, or unknown.
        inner_pid: Its number in its own PID namespace, where that is another than ours; else None.
    """

    pid: int
    command: str = ""
    user: str | None = None
    folder: str = ""
    container: str = ""
    started_at: str | None = None
    state: str = "unknown"
    inner_pid: int | None = None


class Holder(NamedTuple):
    """A process that holds a lock which can stand in somebody's way.

    Attributes:
        process: Who it is.
        locks: What it holds.
        writes: Whether these locks refuse a write by anybody else.
        blocks: Pids that wait for it, as far as the locks and what is seen of them prove.
        held_s: For how long it has held them, seconds; None where that cannot be known.
        held_how: `exact` from a trace, `at least` as seen by sampling; None with `held_s`.
        doing: What it is doing, in a few words; empty where that cannot be seen.
        idle_s: For how long it has done nothing at all, seconds; None where it is not idle or that
            cannot be known.
        statement: The SQL that took the lock, where a trace tells it.
        source: The `file:line` of that, or of the stack's innermost line that is the program's own.
        stack: Its Python stack, innermost first, as `function (file:line)`.
        notes: What is unusual about it, a sentence each.
    """

    process: Process
    locks: tuple[HeldLock, ...]
    writes: bool
    blocks: tuple[int, ...] = ()
    held_s: float | None = None
    held_how: Literal["exact", "at least"] | None = None
    doing: str = ""
    idle_s: float | None = None
    statement: str | None = None
    source: str | None = None
    stack: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Waiter(NamedTuple):
    """A process that waits for the database.

    Attributes:
        process: Who it is.
        wants: The lock it asks for, as far as known; empty where not.
        waited_s: For how long, seconds; None where that cannot be known.
        blockers: Pids of those in its way, the root blocker first.
        inferred: Whether this is inferred (from its sleeps or its locks) rather than recorded.
        how: What shows that it waits, as a clause.
        statement: What it wants to run, where a trace tells it.
        source: At which `file:line`.
    """

    process: Process
    wants: str
    waited_s: float | None
    blockers: tuple[int, ...]
    inferred: bool
    how: str
    statement: str | None = None
    source: str | None = None


class Opener(NamedTuple):
    """A process that has the database open and stands in nobody's way.

    Attributes:
        process: Who it is.
        locks: What it holds: in WAL mode SHARED and DMS for as long as it is open.
    """

    process: Process
    locks: tuple[HeldLock, ...]


class Pin(NamedTuple):
    """Readers of one snapshot of the log.

    Attributes:
        slot: Their read mark's slot, 0 to 4.
        pids: Who reads there.
        frame: The last frame that the snapshot holds; frames after it cannot be written back.
        frames_behind: Frames of the log after that.
        bytes_behind: The same in bytes of the log.
    """

    slot: int
    pids: tuple[int, ...]
    frame: int
    frames_behind: int
    bytes_behind: int


class WalState(NamedTuple):
    """The write-ahead log.

    Attributes:
        frames: Frames that hold committed pages (`mxFrame`).
        checkpointed: Frames that are written back into the database (`nBackfill`).
        page_bytes: Size of a page.
        file_bytes: Size of the `-wal` file.
        pins: Who keeps it from being written back or begun anew, the oldest snapshot first.
        sentence: What that means for the next checkpoint.
    """

    frames: int
    checkpointed: int
    page_bytes: int
    file_bytes: int
    pins: tuple[Pin, ...]
    sentence: str


class Writer(NamedTuple):
    """A process that was seen to write-lock the database during a sampling.

    Attributes:
        process: Who it is.
        times: How often it was seen to begin.
        seconds: For how long in all it was seen from one sample to the next.
        longest_s: For how long at once.
        share: The same as a share of the sampling's time, 0 to 1.
    """

    process: Process
    times: int
    seconds: float
    longest_s: float
    share: float


class Sampling(NamedTuple):
    """What was seen over a while, by looking again and again.

    Attributes:
        seconds: For how long.
        samples: How often.
        writers: Who write-locked the database meanwhile, the longest first.
    """

    seconds: float
    samples: int
    writers: tuple[Writer, ...]


class Snapshot(NamedTuple):
    """Who holds what of a database at one moment.

    Attributes:
        database: Its path.
        at: The wall clock's time, ISO 8601.
        write_locked: Whether a write would be refused now.
        holders: Root blocker first.
        waiters: Longest first.
        attached: Those that have it open and stand in nobody's way.
        wal: The write-ahead log; None in a rollback mode, or where it could not be read.
        notes: What else there is to know, a sentence each; what could not be seen is said here.
        is_wal: Whether it is in WAL mode.
        sampled: Who write-locked it during a sampling before; None where there was none.
    """

    database: str
    at: str
    write_locked: bool
    holders: tuple[Holder, ...]
    waiters: tuple[Waiter, ...]
    attached: tuple[Opener, ...]
    wal: WalState | None
    notes: tuple[str, ...]
    is_wal: bool = False
    sampled: Sampling | None = None
