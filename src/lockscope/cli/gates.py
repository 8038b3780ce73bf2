"""Gates on the command line: `--fail-on`, `--max-hold`, `--max-wait`, `--junit`."""

import argparse
import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lockscope.cli.durations import duration
from lockscope.errors import EXIT_FINDINGS, EXIT_OK, UnableError

if TYPE_CHECKING:
    from lockscope.analysis import Analysis
    from lockscope.analysis.gates import Gates

__all__ = ["USAGE", "configure", "gate_words", "gates_of", "pass_gates"]

USAGE: Final = "[--fail-on KIND,...] [--max-hold TIME] [--max-wait TIME] [--junit FILE]"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--fail-on",
        metavar="KIND",
        default=[],
        type=gate_words,
        help="exit with 1, where the command did not fail itself, if the trace shows one of: "
        "finding, failed, deadlock, unsafe, gap, or a cause such as C12; several with commas",
    )
    parser.add_argument(
        "--max-hold", metavar="TIME", type=duration, help="the same if a write lock is held longer"
    )
    parser.add_argument(
        "--max-wait", metavar="TIME", type=duration, help="the same if anybody waits longer"
    )
    parser.add_argument(
        "--junit", metavar="FILE", type=Path, help="write what became of each gate as JUnit XML"
    )


def gates_of(arguments: argparse.Namespace) -> "Gates | None":
    """The gates that were asked for; None without any."""
    if not (arguments.fail_on or arguments.max_hold is not None or arguments.max_wait is not None):
        return None
    from lockscope.analysis.gates import Gates  # noqa: PLC0415 - numpy, late

    return Gates(tuple(arguments.fail_on), arguments.max_hold, arguments.max_wait)


def pass_gates(analysis: "Analysis", gates: "Gates", junit: Path | None) -> int:
    """Tell what became of each gate on stderr; 1 if one is broken, else 0.

    Raises:
        UnableError: The JUnit file cannot be written.
    """
    from lockscope.analysis.gates import check_gates  # noqa: PLC0415 - with numpy
    from lockscope.report.junit import write_junit  # noqa: PLC0415

    results = check_gates(analysis, gates)
    for result in results:
        print(f"{'broken' if result.broken else 'holds '}  {result.gate}", file=sys.stderr)
        for sentence in result.broken:
            print(f"        {sentence}", file=sys.stderr)
    if junit is not None:
        try:
            write_junit(results, junit)
        except OSError as error:
            raise UnableError(
                f"{junit} cannot be written: {error.strerror}. Name another file with --junit."
            ) from error
    return EXIT_FINDINGS if any(result.broken for result in results) else EXIT_OK


def gate_words(text: str) -> list[str]:
    """The kinds of gates that a text names, with commas between them.

    Raises:
        argparse.ArgumentTypeError: One is unknown, or none is named.
    """
    words = [_cased(word.strip()) for word in text.split(",") if word.strip()]
    wrong = next((word for word in words if not _is_known(word)), None)
    if wrong is None and words:
        return words
    near = difflib.get_close_matches(wrong or "", _NAMES, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_NAMES)}, C01 to C36"
    raise argparse.ArgumentTypeError(f"there is no gate {wrong or text!r}; {hint}")


def _cased(word: str) -> str:
    return word.upper() if word[:1] in "cC" and word[1:].isdecimal() else word.lower()


# As analysis.gates has them: importing it would cost every `lockscope trace` numpy.
_NAMES: Final = ("finding", "failed", "deadlock", "unsafe", "gap")
_MOST_CAUSE: Final = 36


def _is_known(word: str) -> bool:
    is_cause = word[:1] == "C" and len(word) == 3 and 1 <= int(word[1:]) <= _MOST_CAUSE
    return word in _NAMES or is_cause
