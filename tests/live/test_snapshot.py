"""Who holds what right now, compared with what a program was told to hold."""

from pathlib import Path

from holders import held_by, write_transaction
from lockscope.live.snapshot import who


def test_a_write_transaction_is_seen_and_then_gone(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    with held_by(*write_transaction(database)) as holder:
        seen = who(database)
    assert seen.write_locked
    [held] = seen.holders
    assert held.process.pid == holder.pid
    assert [lock.name for lock in held.locks] == ["RESERVED", "SHARED"]
    after = who(database)
    assert not after.write_locked
    assert not after.holders
