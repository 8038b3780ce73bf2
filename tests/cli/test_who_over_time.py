"""`lockscope who` over a while: --for, --watch, --until-free."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eventually import eventually
from holders import held_by, write_transaction

WHO = (sys.executable, "-m", "lockscope", "who")

pytestmark = pytest.mark.skipif(
    not Path("/proc/locks").exists(), reason="no /proc/locks on this system"
)


def test_sampling_says_since_when_and_how_much_of_the_time(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    with held_by(*write_transaction(database)) as holder:
        done = subprocess.run(
            [*WHO, database, "--for", "300ms", "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
    document = json.loads(done.stdout)
    assert done.returncode == 1
    [held] = document["holders"]
    assert held["held_how"] == "at least"
    assert held["held_s"] > 0.2
    [writer] = document["sampled"]["writers"]
    assert (writer["pid"], writer["times"]) == (holder.pid, 1)
    assert writer["share"] > 0.9
    assert document["sampled"]["samples"] > 1


def test_who_let_go_while_it_was_sampled_is_named(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    with held_by(*write_transaction(database)) as holder:
        sampling = subprocess.Popen(
            [*WHO, database, "--for", "60s", "--json"], stdout=subprocess.PIPE, text=True
        )
        looked_at_by(sampling.pid, database)
    with sampling:
        sampling.send_signal(signal.SIGINT)
        assert sampling.stdout is not None
        document = json.loads(sampling.stdout.read())
    assert sampling.returncode == 0
    assert not document["write_locked"]
    assert [writer["pid"] for writer in document["sampled"]["writers"]] == [holder.pid]


def test_a_watch_writes_a_line_for_each_change(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    database.touch()
    with subprocess.Popen(
        [*WHO, database, "--watch", "--every", "50ms"], stdout=subprocess.PIPE, text=True
    ) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().endswith(" app.db is not locked by anybody.\n")
        with held_by(*write_transaction(database)) as holder:
            line = watch.stdout.readline()
            assert f"app.db is write-locked by pid {holder.pid} (" in line
            assert line.endswith(" It holds RESERVED, SHARED.\n")
        assert watch.stdout.readline().endswith(" app.db is not locked by anybody.\n")
        watch.send_signal(signal.SIGINT)
        assert watch.stdout.read() == ""
    assert watch.returncode == 0


def test_waiting_ends_with_the_lock(tmp_path: Path) -> None:
    database = tmp_path / "app.db"
    with held_by(*write_transaction(database)) as holder:
        late = subprocess.run(
            [*WHO, database, "--until-free", "--timeout", "100ms"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert late.returncode == 1
        assert f"pid {holder.pid}" in late.stdout
        waiting = subprocess.Popen([*WHO, database, "--until-free"], stdout=subprocess.PIPE)
        looked_at_by(waiting.pid, database)
        assert waiting.poll() is None
    out, _ = waiting.communicate()
    assert (waiting.returncode, out) == (0, b"app.db is not locked by anybody.\n")


@pytest.mark.parametrize(
    "words", [("--for", "1s", "--watch"), ("--every", "1s"), ("--timeout", "1s")]
)
def test_options_that_mean_nothing_together_are_refused(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "app.db").touch()
    done = subprocess.run(
        [*WHO, tmp_path / "app.db", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lockscope: ")
    assert "Traceback" not in done.stderr


def looked_at_by(pid: int, database: Path) -> None:
    """Wait until lockscope has read the kernel's list once: then it keeps the database open to ask
    for locks. The look at its header before is told apart by O_NOATIME.
    """

    def flags() -> list[int]:
        found = []
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(link.readlink()) == str(database):
                    told = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
                    found.append(int(told.split("flags:")[1].split()[0], 8))
        return found

    eventually(flags, lambda found: any(not flag & os.O_NOATIME for flag in found))
