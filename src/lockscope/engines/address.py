"""Where a database lies: a path or a URL in the user's words."""

import re
from pathlib import Path
from typing import Final

from lockscope.errors import DatabaseError, UsageError

__all__ = ["sqlite_path"]

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SERVERS: Final = {
    "postgresql": "PostgreSQL",
    "postgres": "PostgreSQL",
    "mariadb": "MariaDB",
    "mysql": "MySQL",
}


def sqlite_path(address: str) -> Path:
    """The file that a path or a `sqlite:///path` names; four slashes make it absolute.

    Raises:
        DatabaseError: It names a server, which is not supported yet.
        UsageError: It names nothing that several processes could share.
    """
    scheme = _SCHEME.match(address)
    name = address
    if scheme is not None:
        kind = scheme[1].lower().split("+")[0]
        if kind in _SERVERS:
            raise DatabaseError(
                f"{_SERVERS[kind]} servers are not supported yet: "
                "give the path of an SQLite database."
            )
        if kind != "sqlite":
            raise UsageError(
                f"{scheme[0]} is not an address lockscope knows: give a path or sqlite:///path."
            )
        name = address[scheme.end() :].removeprefix("/")
        if not name.strip("/") or not address[scheme.end() :].startswith("/"):
            raise UsageError(
                f"{address} names no file: write sqlite:///app.db, or sqlite:////srv/app.db "
                "with four slashes for an absolute path."
            )
    return _shareable(name)


def _shareable(name: str) -> Path:
    if name == ":memory:" or not name:
        raise UsageError(
            "A database in memory belongs to one process alone: give the path of a file."
        )
    if name.startswith("file:"):
        raise UsageError(f"{name} is one of SQLite's own addresses: give a path or sqlite:///path.")
    if "\0" in name:
        raise UsageError("A path cannot hold a NUL character: give the path of a file.")
    return Path(name)
