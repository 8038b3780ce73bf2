"""What a process is doing at this moment, in a few words, without disturbing it.

What is said comes from the states of its threads (`proc_pid_stat(5)`), the system calls that they
are in (`proc_pid_syscall(5)`), and where those may not be read, the kernel's functions that they
sleep in (`proc_pid_wchan(5)`).
"""

import os
import time
from typing import Final, NamedTuple

from lockscope.live.idleness import SchedulerClocks
from lockscope.live.system_calls import CHANNELS, FILE_CALLS, PHRASES, SLEEPS, call_name
from lockscope.live.threads import Call, Thread, read_time_ns, threads_of

__all__ = ["Activity", "activity"]

_ASLEEP: Final = frozenset("STtI")
"""States that use no processor and wait for no disk."""
_ORDER: Final = "RDSTtI"
_STOPPED: Final = {
    "T": "is stopped by a signal: it goes on after SIGCONT",
    "t": "is stopped by a debugger",
}
_RUNS: Final = "runs"
_TIMER_ABSTIME: Final = 1
_CLOCKS: Final = {0: time.CLOCK_REALTIME, 1: time.CLOCK_MONOTONIC}
"""`linux/time.h`."""
_HIDDEN: Final = (
    "the system call that it is in is shown to root alone, or to its own user too where "
    "kernel.yama.ptrace_scope is 0"
)


class Activity(NamedTuple):
    """What a process is doing at one moment.

    Attributes:
        doing: In a few words, as the end of a sentence about it; empty where nothing can be seen.
        idle_s: For how many seconds at least none of its threads has run, where all of them are
            asleep; None where not, or where the kernel does not tell.
        note: What could not be seen, as a clause; empty where all was.
        thread: The thread that this was told of, 0 where the process ended.
    """

    doing: str
    idle_s: float | None = None
    note: str = ""
    thread: int = 0


def activity(pid: int, clocks: SchedulerClocks | None = None) -> Activity:
    """Look what a process is doing.

    Args:
        pid: The process.
        clocks: To share between several processes that are looked at together.
    """
    threads, is_whole = threads_of(pid)
    if not threads:
        return Activity("")
    telling = min(threads, key=_order)
    is_idle = is_whole and all(thread.state in _ASLEEP for thread in threads)
    return Activity(
        _doing(telling),
        (clocks or SchedulerClocks()).idle_s(threads) if is_idle else None,
        _HIDDEN if telling.is_hidden else "",
        telling.tid,
    )


def _order(thread: Thread) -> tuple[int, bool, bool]:
    """The thread that tells most is least: one that runs, one that waits for a disk, and one that
    does not just wait for the other ones.
    """
    waits_for_others = thread.channel.startswith("futex") or _name(thread.call).startswith("futex")
    place = _ORDER.find(thread.state)
    return place if place >= 0 else len(_ORDER), waits_for_others, thread.tid != thread.pid


def _doing(thread: Thread) -> str:
    if thread.state == "R":
        return _RUNS
    if thread.state == "Z":
        return "has ended, and its parent has not taken notice"
    stopped = _STOPPED.get(thread.state)
    if stopped:
        return stopped
    return _waiting(thread) or ("waits for the disk" if thread.state == "D" else "waits")


def _waiting(thread: Thread) -> str:
    name = _name(thread.call)
    if thread.call is not None and name in SLEEPS:
        return _sleeping(thread.pid, thread.call, name)
    if thread.call is not None and name in FILE_CALLS:
        return f"{FILE_CALLS[name]} {_file(thread.pid, thread.call.arguments[0])}"
    return PHRASES.get(name) or next(
        (phrase for begin, phrase in CHANNELS if thread.channel.startswith(begin)), ""
    )


def _sleeping(pid: int, call: Call, name: str) -> str:
    """`nanosleep(2)` has the time first, `clock_nanosleep(2)` after the clock and the flags."""
    place = 2 if name == "clock_nanosleep" else 0
    asked_ns = read_time_ns(pid, call.arguments[place])
    if asked_ns is None:
        return PHRASES[name]
    if place and call.arguments[1] & _TIMER_ABSTIME:
        clock = _CLOCKS.get(call.arguments[0])
        left_ns = 0 if clock is None else asked_ns - time.clock_gettime_ns(clock)
        return f"sleeps, for another {_seconds(left_ns)}" if left_ns > 0 else PHRASES[name]
    return f"sleeps for {_seconds(asked_ns)}"


def _seconds(time_ns: int) -> str:
    if time_ns < 1_000_000_000:
        return f"{max(1, round(time_ns / 1e6))} ms"
    return f"{time_ns / 1e9:.3g} s" if time_ns < 1e12 else f"{time_ns // 10**9} s"


def _file(pid: int, descriptor: int) -> str:
    """The name of what a descriptor leads to."""
    number = descriptor & 0xFFFFFFFF
    try:
        target = os.readlink(f"/proc/{pid}/fd/{number}")  # noqa: PTH115 - no Path for each
    except OSError:
        return f"descriptor {number}"
    kind = target.partition(":[")[0]
    what = f"a {kind}" if kind in ("pipe", "socket") else target.removeprefix("anon_inode:")
    return f"its standard input ({what})" if number == 0 else what


def _name(call: Call | None) -> str:
    return "" if call is None else call_name(call.number)
