"""A watch over real processes: its lanes are its trace, however often that begins anew."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from eventually import eventually
from holders import held_by, write_transaction
from lockscope.live import watch as watch_module
from lockscope.live.lanes import Mark
from lockscope.live.moment import Moment
from lockscope.live.watch import Watch

pytestmark = pytest.mark.skipif(
    not Path("/proc/locks").exists(), reason="no /proc/locks on this system"
)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute("CREATE TABLE t(x)")
    connection.close()
    return tmp_path / "a.db"


def marks(moment: Moment, pid: int) -> list[Mark]:
    return [row.lane.mark for row in moment.rows if row.process.pid == pid]


def test_what_is_seen_is_what_is_saved(database: Path) -> None:
    with Watch((database,), 100) as watch:
        with held_by(*write_transaction(database)) as holder:
            eventually(watch.look, lambda seen: marks(seen, holder.pid) == [Mark.WRITE])
        eventually(watch.look, lambda seen: marks(seen, holder.pid) == [Mark.ABSENT])
        first, second = watch.save(), watch.save()
    assert first != second
    for folder in (first, second):
        words = [sys.executable, "-m", "lockscope", "report", str(folder), "--json"]
        done = subprocess.run(words, capture_output=True, check=False)
        holds = json.loads(done.stdout)["holds"]
        assert {(hold["pid"], hold["resource"]) for hold in holds} == {
            (holder.pid, "a.db RESERVED"),
            (holder.pid, "a.db SHARED"),
        }
    assert list((database.parent / "tmp").iterdir()) == []


def test_a_recording_that_grew_too_large_begins_anew(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_by(*write_transaction(database)) as holder, Watch((database,), 100) as watch:
        eventually(watch.look, lambda seen: marks(seen, holder.pid) == [Mark.WRITE])
        monkeypatch.setattr(watch_module, "_MOST_BYTES", 1)
        assert "began anew" in watch.look().note
        monkeypatch.undo()
        eventually(watch.look, lambda seen: marks(seen, holder.pid) == [Mark.WRITE])


def test_a_recording_that_was_tidied_away_is_said_and_nothing_fails(database: Path) -> None:
    with Watch((database,), 100) as watch:
        shutil.rmtree(next((database.parent / "tmp").iterdir()))
        assert "is gone" in watch.look().note
