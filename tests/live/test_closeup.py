"""What a snapshot tells of its holders beyond their locks."""

import signal
from pathlib import Path

from eventually import eventually
from holders import held_by, write_transaction
from lockscope.live.model import Holder
from lockscope.live.snapshot import who


def _holder(database: Path, *, stack: bool = False) -> Holder:
    [holder] = who(database, stack=stack).holders
    return holder


def test_an_idle_holder_is_seen_idle_at_its_line(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    with held_by(*write_transaction(database)):
        seen = eventually(
            lambda: _holder(database, stack=True),
            lambda holder: holder.idle_s is not None and (holder.stack or holder.notes),
        )
    assert seen.doing == "waits for input from its standard input (a pipe)"
    if seen.stack:
        assert seen.stack == ("<module> (<string>:5)",)
        assert seen.source == "<string>:5"
    else:
        assert "Python stack" in seen.notes[0]  # no py-spy here, or no right to use it


def test_no_stack_is_read_where_none_is_wanted(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    with held_by(*write_transaction(database)):
        seen = _holder(database)
    assert (seen.stack, seen.source) == ((), None)
    assert not any("Python stack" in note for note in seen.notes)


def test_a_stopped_holder_is_said_to_be_stopped(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    with held_by(*write_transaction(database)) as holder:
        holder.send_signal(signal.SIGSTOP)
        seen = eventually(
            lambda: _holder(database), lambda holder: holder.process.state == "stopped"
        )
        holder.send_signal(signal.SIGCONT)
    assert seen.doing.startswith("is stopped")
