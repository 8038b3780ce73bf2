"""The system calls that a process may wait in, and how a person would say so."""

import os
from typing import Final

__all__ = ["CHANNELS", "FILE_CALLS", "PHRASES", "SLEEPS", "call_name"]

_X86_64: Final = {
    0: "read",
    1: "write",
    7: "poll",
    17: "pread64",
    18: "pwrite64",
    19: "readv",
    20: "writev",
    23: "select",
    26: "msync",
    34: "pause",
    35: "nanosleep",
    42: "connect",
    43: "accept",
    44: "sendto",
    45: "recvfrom",
    46: "sendmsg",
    47: "recvmsg",
    61: "wait4",
    72: "fcntl",
    73: "flock",
    74: "fsync",
    75: "fdatasync",
    77: "ftruncate",
    128: "rt_sigtimedwait",
    130: "rt_sigsuspend",
    202: "futex",
    219: "restart_syscall",
    230: "clock_nanosleep",
    232: "epoll_wait",
    247: "waitid",
    270: "pselect6",
    271: "ppoll",
    277: "sync_file_range",
    281: "epoll_pwait",
    285: "fallocate",
    288: "accept4",
    426: "io_uring_enter",
    441: "epoll_pwait2",
    449: "futex_waitv",
}
"""`asm/unistd_64.h` of Linux 6.1."""
_AARCH64: Final = {
    22: "epoll_pwait",
    25: "fcntl",
    32: "flock",
    46: "ftruncate",
    47: "fallocate",
    63: "read",
    64: "write",
    65: "readv",
    66: "writev",
    67: "pread64",
    68: "pwrite64",
    72: "pselect6",
    73: "ppoll",
    82: "fsync",
    83: "fdatasync",
    84: "sync_file_range",
    95: "waitid",
    98: "futex",
    101: "nanosleep",
    115: "clock_nanosleep",
    128: "restart_syscall",
    133: "rt_sigsuspend",
    137: "rt_sigtimedwait",
    202: "accept",
    203: "connect",
    206: "sendto",
    207: "recvfrom",
    211: "sendmsg",
    212: "recvmsg",
    227: "msync",
    242: "accept4",
    260: "wait4",
    426: "io_uring_enter",
    441: "epoll_pwait2",
    449: "futex_waitv",
}
"""`asm-generic/unistd.h` of Linux 6.1, which 64-bit ARM uses."""
_TABLES: Final = {"x86_64": _X86_64, "aarch64": _AARCH64}

SLEEPS: Final = frozenset({"nanosleep", "clock_nanosleep"})

FILE_CALLS: Final = {
    "read": "waits for input from",
    "readv": "waits for input from",
    "recvfrom": "waits for data from",
    "recvmsg": "waits for data from",
    "pread64": "reads",
    "write": "writes to",
    "writev": "writes to",
    "pwrite64": "writes to",
    "sendto": "sends to",
    "sendmsg": "sends to",
    "connect": "waits to be connected by",
    "accept": "waits for somebody to connect to",
    "accept4": "waits for somebody to connect to",
    "fcntl": "waits for a lock on",
    "flock": "waits for a lock on",
    "fsync": "syncs to disk",
    "fdatasync": "syncs to disk",
    "sync_file_range": "syncs to disk",
    "ftruncate": "changes the size of",
    "fallocate": "changes the size of",
}
"""Calls whose first argument is a descriptor: to be followed by the name of its file."""
_NETWORK: Final = "waits for the network or a timer"
_CHILD: Final = "waits for a child process to end"
_THREAD: Final = "waits for another of its threads"
_SIGNAL: Final = "waits for a signal"
PHRASES: Final = {
    "poll": _NETWORK,
    "ppoll": _NETWORK,
    "select": _NETWORK,
    "pselect6": _NETWORK,
    "epoll_wait": _NETWORK,
    "epoll_pwait": _NETWORK,
    "epoll_pwait2": _NETWORK,
    "nanosleep": "sleeps",
    "clock_nanosleep": "sleeps",
    "restart_syscall": "waits for a timer",
    "futex": _THREAD,
    "futex_waitv": _THREAD,
    "wait4": _CHILD,
    "waitid": _CHILD,
    "pause": _SIGNAL,
    "rt_sigsuspend": _SIGNAL,
    "rt_sigtimedwait": _SIGNAL,
    "msync": "syncs to disk",
    "io_uring_enter": "waits for input or output",
}
CHANNELS: Final = (
    ("hrtimer_nanosleep", "sleeps"),
    ("do_nanosleep", "sleeps"),
    ("futex", _THREAD),
    ("pipe_read", "waits for input from a pipe"),
    ("anon_pipe_read", "waits for input from a pipe"),
    ("pipe_write", "writes to a pipe that is full"),
    ("anon_pipe_write", "writes to a pipe that is full"),
    ("n_tty_read", "waits for input from a terminal"),
    ("unix_stream_", "waits for data from a socket"),
    ("unix_dgram_", "waits for data from a socket"),
    ("sk_wait_data", "waits for data from a socket"),
    ("inet_csk_accept", "waits for somebody to connect to it"),
    ("do_wait", _CHILD),
    ("poll_schedule_timeout", _NETWORK),
    ("do_poll", _NETWORK),
    ("do_sys_poll", _NETWORK),
    ("do_select", _NETWORK),
    ("ep_poll", _NETWORK),
    ("do_epoll_wait", _NETWORK),
    ("do_sigtimedwait", _SIGNAL),
    ("sigsuspend", _SIGNAL),
    ("jbd2_", "waits for the disk"),
    ("folio_wait", "waits for the disk"),
    ("wait_on_page", "waits for the disk"),
    ("io_schedule", "waits for the disk"),
    ("submit_bio_wait", "waits for the disk"),
    ("xfs_", "waits for the disk"),
    ("btrfs_", "waits for the disk"),
    ("rpc_", "waits for a network file system"),
    ("nfs", "waits for a network file system"),
    ("locks_lock_inode_wait", "waits for a lock on a file"),
    ("posix_lock_inode_wait", "waits for a lock on a file"),
    ("fcntl_setlk", "waits for a lock on a file"),
)
"""How the kernel's functions begin in which a thread sleeps (`proc_pid_wchan(5)`): what can be said
where the number of the system call may not be read."""


def call_name(number: int, machine: str | None = None) -> str:
    """The name of a system call; empty where it is none of those above.

    Args:
        number: As `/proc/PID/syscall` gives it.
        machine: As `uname(2)` names the processor; None for this one.
    """
    return _TABLES.get(machine or os.uname().machine, {}).get(number, "")
