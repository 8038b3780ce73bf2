"""Addresses of databases."""

from pathlib import Path

import pytest

from lockscope.engines.address import sqlite_path
from lockscope.errors import DatabaseError, UsageError


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("app.db", "app.db"),
        ("/srv/app.db", "/srv/app.db"),
        ("sqlite:///app.db", "app.db"),
        ("sqlite:////srv/app.db", "/srv/app.db"),
        ("SQLite:///sub/app.db", "sub/app.db"),
        ("c:odd", "c:odd"),
    ],
)
def test_an_address_names_a_file(address: str, path: str) -> None:
    assert sqlite_path(address) == Path(path)


@pytest.mark.parametrize(
    "address", ["", ":memory:", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://a.db"]
)
def test_what_nobody_could_share_is_refused(address: str) -> None:
    with pytest.raises(UsageError):
        sqlite_path(address)


@pytest.mark.parametrize("address", ["postgresql://h/d", "postgresql+psycopg://h", "mariadb://h"])
def test_servers_are_not_supported_yet(address: str) -> None:
    with pytest.raises(DatabaseError, match="not supported yet"):
        sqlite_path(address)
