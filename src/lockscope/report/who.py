"""Who holds what, as text of 80 columns: the answer first, the next step last."""

import io
from collections.abc import Iterator
from typing import TextIO

from lockscope.live.model import Holder, Opener, Process, Sampling, Snapshot, Waiter, WalState
from lockscope.report.plain import Ink, printable, seconds_text, wrapped
from lockscope.report.who_advice import next_step
from lockscope.report.who_words import headline, named, short_command, writer_of

__all__ = ["lines_about", "render", "render_line"]


def render(snapshot: Snapshot, out: TextIO) -> None:
    """Write the answer."""
    ink = Ink(out)
    style = "red" if snapshot.write_locked else "green"
    lines = [ink(style, line) for line in wrapped(headline(snapshot))]
    for title, section in (
        ("Holders", _each(_holder(holder, ink) for holder in snapshot.holders)),
        ("Waiting", _each(_waiter(waiter, ink) for waiter in snapshot.waiters)),
        ("Open, in nobody's way", _each(_opener(opener) for opener in snapshot.attached)),
        ("Write-ahead log", [] if snapshot.wal is None else _wal(snapshot.wal)),
        ("Sampled", [] if snapshot.sampled is None else _sampled(snapshot.sampled)),
        ("Notes", _each(wrapped(printable(note), "  ", "    ") for note in snapshot.notes)),
    ):
        if section:
            lines += ["", ink("bold", title), *section]
    step = next_step(snapshot)
    if step:
        lines += ["", *wrapped(f"Next: {step}")]
    out.write("\n".join(lines) + "\n")


def render_line(snapshot: Snapshot, out: TextIO) -> None:
    """Write the answer as one line, for logs."""
    waiting = f" {len(snapshot.waiters)} waiting." if snapshot.waiters else ""
    writer = writer_of(snapshot)
    names = ", ".join(lock.name for lock in writer.locks) if writer is not None else ""
    holding = f" It holds {names}." if names else ""
    out.write(f"{snapshot.at} {headline(snapshot)}{holding}{waiting}\n")


def lines_about(snapshot: Snapshot, process: Process, held: str = "") -> list[str]:
    """What a snapshot says of one process, in lines of 80 columns without colour; empty where
    nothing.

    Args:
        snapshot: The snapshot.
        process: The process.
        held: For how long it has held its locks, in words, where that is known better than here.
    """
    ink = Ink(io.StringIO())
    return [
        *_each(
            _holder(one, ink, held) for one in snapshot.holders if one.process.pid == process.pid
        ),
        *_each(_waiter(one, ink) for one in snapshot.waiters if one.process.pid == process.pid),
        *_each(_opener(one) for one in snapshot.attached if one.process.pid == process.pid),
    ]


def _each(parts: Iterator[list[str]]) -> list[str]:
    return [line for part in parts for line in part]


def _holder(holder: Holder, ink: Ink, held: str = "") -> list[str]:
    process = holder.process
    lines = [*_who(process, ink), *_about(process)]
    width = max(len(lock.name) for lock in holder.locks)
    for lock in holder.locks:
        lines += wrapped(f"{lock.name:<{width}}  {lock.meaning}", "    ", " " * (width + 6))
    lines += wrapped(held or _held(holder), "    ")
    if holder.doing:
        lines += wrapped(printable(_doing(holder)), "    ", "      ")
    if holder.statement:
        lines += wrapped(f"under {printable(holder.statement)}", "    ", "      ")
    if holder.stack:
        lines += [
            "    Python stack, innermost first",
            *(f"      {printable(f)}" for f in holder.stack),
        ]
    elif holder.source:
        lines.append(f"    at {printable(holder.source)}")
    if holder.blocks:
        lines += wrapped("in the way of " + _pids(holder.blocks), "    ", "      ")
    return lines + _each(wrapped(printable(note), "    ", "      ") for note in holder.notes)


def _who(process: Process, ink: Ink) -> list[str]:
    if not process.pid:
        return ["  a process that cannot be seen from here"]
    command = printable(process.command) or "its command may not be read"
    first, *more = wrapped(f"pid {process.pid}  {command}", "  ", "      ")
    return [ink("bold", first), *more]


def _about(process: Process) -> list[str]:
    words = [
        process.state,
        f"user {process.user}" if process.user else "",
        f"in {process.folder}" if process.folder else "",
        f"started {process.started_at}" if process.started_at else "",
        f"control group {process.container}" if process.container else "",
        f"pid {process.inner_pid} in its own namespace" if process.inner_pid else "",
    ]
    return wrapped(printable(", ".join(word for word in words if word)), "    ", "      ")


def _held(holder: Holder) -> str:
    if holder.held_s is None:
        return "since when cannot be known from outside: --for 2s shows at least how long"
    how = "at least " if holder.held_how == "at least" else ""
    return f"held for {how}{seconds_text(holder.held_s)}"


def _doing(holder: Holder) -> str:
    """Idle times are told from a tenth of a second on: below that, it may just be between two
    calls.
    """
    if holder.idle_s is None or holder.idle_s < 0.1:
        return holder.doing
    return f"{holder.doing}; has not run for {seconds_text(holder.idle_s)}"


def _waiter(waiter: Waiter, ink: Ink) -> list[str]:
    wants = f" for {waiter.wants}" if waiter.wants else ""
    waited = f", for {seconds_text(waiter.waited_s)}" if waiter.waited_s is not None else ""
    inferred = "inferred: " if waiter.inferred else ""
    lines = [
        *_who(waiter.process, ink),
        *wrapped(f"waits{wants}{waited} ({inferred}{waiter.how})", "    ", "      "),
    ]
    if waiter.blockers:
        lines += wrapped("in its way: " + _pids(waiter.blockers), "    ", "      ")
    if waiter.statement:
        lines += wrapped(f"to run {printable(waiter.statement)}", "    ", "      ")
    if waiter.source:
        lines.append(f"    at {printable(waiter.source)}")
    return lines


def _opener(opener: Opener) -> list[str]:
    process = opener.process
    command = short_command(process.command) or "its command may not be read"
    user = f", user {process.user}" if process.user else ""
    return wrapped(f"pid {process.pid}  {command}, {process.state}{user}", "  ", "      ")


def _wal(wal: WalState) -> list[str]:
    lines = wrapped(printable(wal.sentence), "  ")
    for pin in wal.pins:
        lines += wrapped(
            f"{_pids(pin.pids)} read at frame {pin.frame:,}: {pin.frames_behind:,} frames "
            f"({pin.bytes_behind:,} bytes) behind",
            "  ",
            "    ",
        )
    return lines


def _sampled(sampling: Sampling) -> list[str]:
    lines = wrapped(
        f"for {seconds_text(sampling.seconds)}, {sampling.samples:,} times; what is shorter than "
        "the time between two is not seen",
        "  ",
    )
    for writer in sampling.writers:
        times = "once" if writer.times == 1 else f"{writer.times:,} times"
        lines += wrapped(
            f"{named(writer.process)} write-locked it {writer.share:.0%} of the time, {times}, "
            f"at most {seconds_text(writer.longest_s)} at once",
            "  ",
            "    ",
        )
    return lines if sampling.writers else [*lines, "  nobody was seen to write-lock it"]


def _pids(pids: tuple[int, ...]) -> str:
    return ("pid " if len(pids) == 1 else "pids ") + ", ".join(map(str, pids))
