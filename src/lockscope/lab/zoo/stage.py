"""A stage: actors are processes of their own, each led from one known point to the next by pipes.

A role is a generator: it does something with the database and yields; between two yields lies one
step. The director lets an actor take a step and waits until it has taken it (`step`), or lets it
begin and looks later what came of it (`begin`, `outcome`), for a step that has to wait for somebody
else. Nothing depends on time: what must come first has answered before.

    def writer(database: Path) -> Iterator[None]:
        connection = sqlite3.connect(database, isolation_level=None, timeout=0.5)
        connection.execute("BEGIN IMMEDIATE")
        yield  # one step is taken, the next has not begun
        connection.execute("COMMIT")

An actor that has to be held inside a call, such as the fsync of a COMMIT, is brought on with doors:
it shuts one (`shut_door`), and the call ends its step in the middle. `doors.c` makes them.

An exhibit is a program of its own, which a person can also run by hand: `python c12.py ill FOLDER`.
Standard library alone.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

__all__ = ["Actor", "Role", "Stage", "open_door", "play", "shut_door", "tell_step"]

Role = Callable[..., Iterator[None]]
"""Takes the database's path and words, and yields between its steps."""

_END: Final = "the end"
_WORDS: Final = ("ill", "cured")


class Actor:
    """One process on the stage."""

    def __init__(self, command: Sequence[str], preload: Path | None = None) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=None if preload is None else _preloading(preload),
        )

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._process.pid

    def step(self) -> str:
        """Let it take one step and wait until it has; what became of it.

        Returns:
            Empty where it went well, else the error that ended the step; `the end` after its last
            step.
        """
        self.begin()
        return self.outcome()

    def begin(self) -> None:
        """Let it take one step, without waiting for it."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def outcome(self) -> str:
        """What became of the step that it was let take; waits for it."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def is_ready(self) -> bool:
        """Whether it has taken the step that it was let take, so that `outcome` need not wait."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def stop(self) -> None:
        """Stop it, as Ctrl-Z would."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self) -> None:
        """Let it go on after `stop`."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def leave(self) -> None:
        """Let it take the steps that are left, and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Stage:
    """Where an exhibit is played; a context manager that sends everybody home at its end.

    Args:
        folder: A folder of its own, which exists.
        program: The exhibit's file, whose roles the actors play.
    """

    def __init__(self, folder: Path, program: str) -> None:
        self.folder = folder
        self.database = folder / "zoo.db"
        self._program = program
        self._actors: list[Actor] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for actor in self._actors:
            if kind is None:
                actor.leave()
            else:
                actor.kill()

    def actor(self, role: Role, *words: str, doors: bool = False) -> Actor:
        """Bring a role on, in a process of its own; it waits before its first step."""
        name = role.__name__
        command = (sys.executable, self._program, f"role={name}", str(self.database), *words)
        return self.command(command, doors=doors)

    def command(self, command: Sequence[str], *, doors: bool = False) -> Actor:
        """Bring on a program that keeps to the pipes by itself: it reads a line before each step
        and writes one after it.
        """
        actor = Actor(command, self._compiled("doors.c", "-shared", "-fPIC") if doors else None)
        self._actors.append(actor)
        return actor

    def program(self, role: str, *words: str, doors: bool = False) -> Actor:
        """Bring on a role of the C program that lies beside the exhibit, as `c12_c.c`."""
        program = self._compiled(Path(self._program).with_suffix(".c").name)
        return self.command((str(program), role, str(self.database), *words), doors=doors)

    def _compiled(self, source: str, *flags: str) -> Path:
        """A C file of the zoo, compiled once."""
        made = self.folder / source.replace(".c", ".so" if flags else "")
        if not made.exists():
            file = Path(__file__).with_name(source)
            libraries = ("-ldl",) if flags else ("-lsqlite3", "-ldl")
            subprocess.run(["cc", "-o", made, *flags, file, *libraries], check=True)
        return made


def tell_step() -> None:
    """End a step in the middle of a call, as from a callback of SQLite, and wait for the next."""
    sys.stdout.write("\n")
    sys.stdout.flush()
    sys.stdin.readline()


def shut_door(call: str, ending: str = "") -> None:
    """Hold this process, which was brought on with doors, in its next `sync` or `read` of a file
    whose path ends so; there its step is over, and the next one begins.
    """
    ctypes.CDLL(None).stage_shut_door(call.encode(), ending.encode())


def open_door() -> None:
    """Hold this process nowhere."""
    ctypes.CDLL(None).stage_open_door()


def _preloading(library: Path) -> dict[str, str]:
    # Behind what is there: a recorder that comes first sees how long the call took.
    others = os.environ.get("LD_PRELOAD", "")
    return {**os.environ, "LD_PRELOAD": f"{others}:{library}" if others else str(library)}


def play(
    program: str,
    ill: Callable[[Stage], None],
    cured: Callable[[Stage], None],
    roles: Sequence[Role],
) -> None:
    """The main function of an exhibit: play it, or one role of it.

    Args:
        program: The exhibit's `__file__`.
        ill: Plays what goes wrong.
        cured: Plays the same with the remedy.
        roles: What its actors play.
    """
    word, *rest = sys.argv[1:] or [""]
    name = word.removeprefix("role=")
    if name != word:
        role = next(role for role in roles if role.__name__ == name)
        _act(role(Path(rest[0]), *rest[1:]))
    elif word in _WORDS and len(rest) == 1:
        with Stage(Path(rest[0]), program) as stage:
            (ill if word == "ill" else cured)(stage)
    else:
        sys.exit(f"usage: {Path(program).name} ill|cured FOLDER")


def _act(steps: Iterator[None]) -> None:
    told = ""
    while told != _END:
        led = bool(sys.stdin.readline())
        told = _take(steps)
        if led:
            sys.stdout.write(told + "\n")
            sys.stdout.flush()


def _take(steps: Iterator[None]) -> str:
    """Take one step: empty, what it raised, or that it was the last."""
    try:
        next(steps)
    except StopIteration:
        return _END
    except Exception as error:  # noqa: BLE001 - whatever a driver raises is what the director asks for
        return f"{type(error).__name__}: {error}"
    return ""
