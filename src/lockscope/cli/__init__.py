"""The command line: one module a verb, imported only when that verb was asked for.

A verb's module has `configure(parser)` and `run(arguments) -> exit status`. This page alone turns
an error into an exit status.
"""

import argparse
import errno
import gc
import importlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

from lockscope import __version__
from lockscope.cli.streams import hold_streams, let_go_of_output
from lockscope.cli.words import Layout, Words
from lockscope.errors import EXIT_OK, EXIT_UNABLE, LockscopeError, UnableError

__all__ = ["main"]

_VERBS: Final = (
    ("run", "run an experiment: many processes on one database, every lock recorded"),
    ("trace", "record the locks of any program, unmodified"),
    ("report", "say who held which lock, who waited, and why"),
    ("who", "who holds a database's locks at this moment, doing what, and who waits"),
    ("top", "the same as who, live on a full screen, for several databases"),
    ("check", "is this machine fit for it, and is this database healthy"),
)
"""Each verb and its line in `--help`; its module is `lockscope.cli.VERB`."""

_EPILOG: Final = """\
exit status:
  0  nothing wrong was found
  1  findings: a transaction failed, a record is missing or lost, a process waited in vain
  2  wrong usage
  3  could not run, capture or read

`lockscope VERB --help` tells more of a verb.
"""


_UNWRITTEN: Final = (errno.EBADF, errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)
"""What a write to a closed, full or broken standard output fails with: `write(2)`. Errors about a
file of its own name it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run lockscope.

    Args:
        argv: The words after the program's name; those of this process by default.

    Returns:
        The exit status.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    hold_streams()
    try:
        status = _status(words)
    except LockscopeError as error:
        print(f"lockscope: {error}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:  # the reader of our output is gone: `| head`
        let_go_of_output()
        return EXIT_OK
    except OSError as error:
        print(f"lockscope: {_refusal(error)}", file=sys.stderr)
        return EXIT_UNABLE
    finally:
        # The answer is out: an impatient Ctrl-C must not take the place of its exit status.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def _refusal(error: OSError) -> str:
    unwritten = let_go_of_output()
    # A long answer is written past the buffer: nothing of it is left to be tried again.
    if unwritten is None and error.filename is None and error.errno in _UNWRITTEN:
        unwritten = error
    if unwritten is not None:
        return f"The answer cannot be written to standard output: {unwritten.strerror}."
    advice = "; allow more with ulimit -n" if error.errno == errno.EMFILE else ""
    return f"The system refused it: {error}{advice}."


def _status(words: list[str]) -> int:
    try:
        status = _run(words)
    except SystemExit as end:  # argparse: after --help, or what it could not make sense of
        status = int(end.code or EXIT_OK)
    sys.stdout.flush()
    return status


def _run(words: list[str]) -> int:
    parser = _parser()
    verb = next((word for word in words if not word.startswith("-")), "")
    if verb not in dict(_VERBS):
        parser.parse_args(words)
        parser.print_help(sys.stderr if words else None)
        return EXIT_OK
    module = _module(verb)
    place = words.index(verb)
    parser.parse_args([*words[:place], "--"])
    own = Words(
        prog=f"lockscope {verb}",
        description=module.DESCRIPTION,
        formatter_class=Layout,
        allow_abbrev=False,
    )
    module.configure(own)
    arguments = own.parse_args(words[place + 1 :])
    _insist_on_a_working_folder()
    status: int = module.run(arguments)
    return status


def _insist_on_a_working_folder() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise UnableError(
            f"The working folder cannot be used: {error.strerror}. Change to another one."
        ) from error


def _module(verb: str) -> ModuleType:
    """The module of a verb. Nothing of what is imported is garbage: looking through it again and
    again, and once more at the end, would take a tenth of the time that `who` has.
    """
    gc.disable()
    module = importlib.import_module(f"lockscope.cli.{verb}")
    gc.freeze()
    gc.enable()
    return module


def _parser() -> Words:
    parser = Words(
        prog="lockscope",
        usage="lockscope VERB ...",
        description="See who holds the lock: many processes, one database.",
        epilog="verbs:\n"
        + "".join(f"  {verb:<8} {line}\n" for verb, line in _VERBS)
        + "\n"
        + _EPILOG,
        formatter_class=Layout,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lockscope {__version__}")
    parser.add_argument("verb", nargs="?", type=_verb, help=argparse.SUPPRESS)
    return parser


def _verb(word: str) -> str:
    if word in dict(_VERBS):
        return word
    import difflib  # noqa: PLC0415 - 10 ms that only a typing error has to pay

    near = difflib.get_close_matches(word, [verb for verb, _ in _VERBS], 1)
    hint = (
        f"did you mean {near[0]!r}?" if near else "the verbs are " + ", ".join(v for v, _ in _VERBS)
    )
    raise argparse.ArgumentTypeError(f"there is no verb {word!r}; {hint}")
