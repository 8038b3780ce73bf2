"""lockscope: see who holds the lock.

Many processes, one database: run an experiment and watch it break, see who holds the lock in any
real program and why, share the database well. The command line is `lockscope`;
`docs/architecture.md` is the plan of the house.

`who` and `explain` are for programs: they tell who holds a database's locks at this moment.

PYTEST_DONT_REWRITE: else pytest, which knows us as a plugin, would warn where a program imports
this before it starts pytest.
"""

from os import fspath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from lockscope.live.model import (
        HeldLock,
        Holder,
        Opener,
        Pin,
        Process,
        Sampling,
        Snapshot,
        Waiter,
        WalState,
        Writer,
    )

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
    "__version__",
    "explain",
    "who",
]

__version__ = "0.1.0"


def who(path: "str | os.PathLike[str]", *, seconds: float = 0.0, stack: bool = True) -> "Snapshot":
    """Look who holds what of a database at this moment, this process included.

    A child process looks (about a tenth of a second): closing any descriptor of a database drops
    the locks that the closing process has on it (`fcntl(2)`), so that a program which uses the
    database must not open it once more.

    Args:
        path: The database, or its `sqlite:///` URL.
        seconds: For how long to sample before.
        stack: Whether to read Python stacks, where py-spy is installed.

    Raises:
        lockscope.errors.LockscopeError: It cannot be told, and why.
    """
    from lockscope.live.asking import ask  # noqa: PLC0415 - `import lockscope` costs nothing

    return ask(fspath(path), seconds=seconds, stack=stack)


def explain(error: BaseException, path: "str | os.PathLike[str] | None" = None) -> str:
    """A caught error of SQLite in a sentence that names the holder of this moment.

        except sqlite3.OperationalError as error:
            log.error(lockscope.explain(error, "app.db"))

    To be called at once, before the holder lets go. Whatever goes wrong on the way is said, and
    nothing is raised.

    Args:
        error: What was caught; also one that wraps it, as an ORM's.
        path: The database; where it is not given, the only one that this process has open.
    """
    from lockscope.report.explanation import explanation  # noqa: PLC0415 - as above

    return explanation(error, None if path is None else fspath(path))


def __getattr__(name: str) -> object:
    if name in __all__:
        from lockscope.live import model  # noqa: PLC0415 - as above

        return vars(model)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
