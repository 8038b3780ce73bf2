"""On which file system a path lies, from the kernel's table of mounts."""

from typing import Final, NamedTuple

__all__ = ["MOUNTS", "Mount", "mount_of"]

MOUNTS: Final = "/proc/self/mountinfo"


class Mount(NamedTuple):
    """One mounted file system.

    Attributes:
        point: Where.
        kind: Its type; `unknown` where the table cannot be read.
        options: Its options, those of this mount before those of the whole file system.
    """

    point: str
    kind: str
    options: tuple[str, ...] = ()


def mount_of(path: str, table: str = MOUNTS) -> Mount:
    """The mount that a path lies on.

    Args:
        path: Absolute, without symbolic links.
        table: The table (`proc_pid_mountinfo(5)`).
    """
    best = Mount("", "unknown")
    try:
        with open(table, encoding="utf-8", errors="surrogateescape") as lines:  # noqa: PTH123
            rows = [line.split(" ") for line in lines]
    except OSError:
        return best
    for fields in rows:
        point = _unescaped(fields[4])
        # The later of two mounts on one point covers the earlier.
        if len(point) >= len(best.point) and (path + "/").startswith(point.rstrip("/") + "/"):
            kind, _source, options = fields[fields.index("-") + 1 :][:3]
            both = dict.fromkeys(f"{fields[5]},{options.strip()}".split(","))
            best = Mount(point, kind, tuple(both))
    return best


def _unescaped(name: str) -> str:
    """A name of the table, in which blanks are octal escapes and all else are the path's bytes."""
    raw = name.encode("utf-8", "surrogateescape").decode("unicode_escape").encode("latin-1")
    return raw.decode("utf-8", "surrogateescape")
