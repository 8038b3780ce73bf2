"""Where `lockscope` and `python -m lockscope` begin."""

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line; gives the exit status."""
    try:
        # Imported here: Ctrl-C while it loads would end in a traceback.
        from lockscope.cli import main as command_line  # noqa: PLC0415

        return command_line()
    except KeyboardInterrupt:
        sys.stderr.write("lockscope: interrupted; nothing was left running.\n")
        return 3


if __name__ == "__main__":
    sys.exit(main())
