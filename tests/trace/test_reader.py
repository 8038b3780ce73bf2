"""Reading traces: whole ones, and those that something happened to."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockscope.analysis import analyse
from lockscope.errors import TraceError
from lockscope.interpret import interpret
from lockscope.trace.kinds import BY_DESCRIPTION, HEADER_BYTES, RECORD_BYTES, Kind, Recorder
from lockscope.trace.manifest import Manifest
from lockscope.trace.reader import find_trace, newest_trace, read_trace
from lockscope.trace.writer import SegmentWriter


def make_trace(folder: Path, records: int = 10) -> Path:
    """A trace of one process with some locks on one file; gives the path of its segment."""
    folder.mkdir(exist_ok=True)
    manifest = Manifest(("command",), "/", "host", "boot", 0, "1970-01-01T00:00:00+00:00", {})
    manifest.write(folder)
    with SegmentWriter(folder, Recorder.WORKER) as writer:
        path = writer.text("/tmp/app.db")
        writer.record(Kind.FILE, began_ns=1, duration_ns=1, start=2, length=path, file=1)
        sql, line = writer.text("INSERT"), writer.text("app.py:7")
        writer.record(Kind.CONTEXT, began_ns=1, context=1, length=sql, file=line)
        for at in range(records):
            mode = 2 if at % 2 == 0 else 0
            writer.record(
                Kind.LOCK,
                began_ns=10 + at,
                start=0x40000001,
                length=1,
                file=1,
                context=1,
                mode=mode,
            )
        return writer.path


def test_a_trace_reads_back(tmp_path: Path) -> None:
    make_trace(tmp_path / "a.trace")
    trace = read_trace(tmp_path / "a.trace")
    assert [process.pid for process in trace.processes] == [os.getpid()]
    assert trace.files[1].path == "/tmp/app.db"
    assert (trace.contexts[1].statement, trace.contexts[1].source) == ("INSERT", "app.py:7")
    assert len(trace.of_kind(Kind.LOCK)) == 10
    assert trace.gaps == ()


def test_a_lock_of_an_open_file_description_is_no_damage(tmp_path: Path) -> None:
    segment = make_trace(tmp_path / "a.trace")
    with SegmentWriter(segment.parent, Recorder.WORKER) as writer:
        writer.record(Kind.LOCK, began_ns=99, start=0x40000001, length=1, mode=2 | BY_DESCRIPTION)
        writer.record(Kind.LOCK, began_ns=100, mode=3 | BY_DESCRIPTION)
    trace = read_trace(segment.parent)
    assert trace.records["mode"].tolist()[-1] == 2 | BY_DESCRIPTION
    assert [gap.sentence.split(" has ")[1] for gap in trace.gaps] == [
        "1 damaged records; the others were read."
    ]


def test_texts_keep_every_character(tmp_path: Path) -> None:
    texts = ["a\nb", "a\\nb", "\\", "\\\\n", "é", "\udcff", "x" * 5000]
    tmp_path.joinpath("t.trace").mkdir()
    make_trace(tmp_path / "t.trace")
    with SegmentWriter(tmp_path / "t.trace", Recorder.WORKER) as writer:
        for text in texts:
            writer.record(Kind.NOTE, began_ns=1, length=writer.text(text))
    trace = read_trace(tmp_path / "t.trace")
    read = [trace.texts[int(record["length"])] for record in trace.of_kind(Kind.NOTE)]
    assert read == [text if text != "\udcff" else "\\xff" for text in texts]


def test_segments_of_many_processes_are_merged_by_time(tmp_path: Path) -> None:
    folder = tmp_path / "many.trace"
    make_trace(folder, records=0)
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from lockscope.trace.kinds import Kind, Recorder\n"
        "from lockscope.trace.writer import SegmentWriter\n"
        "with SegmentWriter(Path(sys.argv[1]), Recorder.WORKER) as writer:\n"
        "    for _ in range(3000):\n"
        "        writer.record(Kind.NOTE, began_ns=time.monotonic_ns())\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", program, str(folder)]) for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    trace = read_trace(folder)
    notes = trace.of_kind(Kind.NOTE)
    assert len(notes) == 12_000
    assert (notes["began_ns"][1:] >= notes["began_ns"][:-1]).all()
    assert {trace.processes[place].pid for place in set(notes["process"].tolist())} == {
        worker.pid for worker in workers
    }


def overwrite(offset: int, content: bytes) -> Callable[[Path], None]:
    def damage(segment: Path) -> None:
        with segment.open("r+b") as file:
            file.seek(offset)
            file.write(content)

    return damage


def truncate(size: int) -> Callable[[Path], None]:
    return lambda segment: os.truncate(segment, size)


@pytest.mark.parametrize(
    ("damage", "locks", "sentence"),
    [
        (truncate(0), 0, "is empty"),
        (truncate(50), 0, "cut off inside its header"),
        (overwrite(0, b"PNG"), 0, "is not a segment"),
        (overwrite(12, b"\xff\xff"), 0, "has a damaged header"),
        (truncate(HEADER_BYTES + 5 * RECORD_BYTES + 7), 3, ""),
        (overwrite(HEADER_BYTES + 5 * RECORD_BYTES + 44, b"\0\0\0\0"), 9, ""),
        (overwrite(HEADER_BYTES + 5 * RECORD_BYTES + 44, b"\x63\0\0\0"), 9, "1 damaged record"),
        (overwrite(HEADER_BYTES + 40, b"\xee"), 10, "damaged"),
    ],
)
def test_damage_costs_only_what_was_damaged(
    damage: Callable[[Path], None], locks: int, sentence: str, tmp_path: Path
) -> None:
    damage(make_trace(tmp_path / "d.trace"))
    trace = read_trace(tmp_path / "d.trace")
    assert len(trace.of_kind(Kind.LOCK)) == locks
    assert sentence in " ".join(gap.sentence for gap in trace.gaps)
    assert bool(trace.gaps) == bool(sentence)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("ending", ["segment", "text"])
def test_nobody_waits_for_what_is_no_file(tmp_path: Path, ending: str) -> None:
    trace = make_trace(tmp_path / "a.trace").parent
    (trace / "7-7-native.segment").write_bytes(next(trace.glob("*.segment")).read_bytes())
    (trace / f"7-7-native.{ending}").unlink(missing_ok=True)
    os.mkfifo(trace / f"7-7-native.{ending}")
    [gap] = read_trace(trace).gaps
    assert gap.sentence == "7-7-native.segment is no plain file, or its texts are none."


def test_a_newer_segment_is_refused(tmp_path: Path) -> None:
    overwrite(8, b"\x02")(make_trace(tmp_path / "n.trace"))
    with pytest.raises(TraceError, match="trace format 2; this lockscope reads up to 1"):
        read_trace(tmp_path / "n.trace")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "it has no manifest.json"),
        ("{", "is not JSON"),
        ("[]", "not the manifest of a trace"),
        ('{"format": 1}', "is damaged"),
        ('{"format": 1, "command": [], "surprise": 1}', "is damaged"),
        ('{"format": 99}', "reads up to 1"),
    ],
)
def test_a_manifest_that_is_none_is_one_clear_error(
    content: str | None, sentence: str, tmp_path: Path
) -> None:
    make_trace(tmp_path / "m.trace")
    manifest = tmp_path / "m.trace" / "manifest.json"
    manifest.unlink()
    if content is not None:
        manifest.write_text(content)
    with pytest.raises(TraceError, match=sentence):
        read_trace(tmp_path / "m.trace")


def test_what_is_no_trace_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TraceError, match="does not exist"):
        find_trace(tmp_path / "nowhere")
    with pytest.raises(TraceError, match="a trace is a folder"):
        find_trace(tmp_path / "file")
    with pytest.raises(TraceError, match="no trace below"):
        newest_trace(tmp_path)


def test_a_run_folder_leads_to_its_trace(tmp_path: Path) -> None:
    make_trace(tmp_path / "one.trace")
    assert find_trace(tmp_path) == tmp_path / "one.trace"
    make_trace(tmp_path / "two.trace")
    with pytest.raises(TraceError, match=r"several traces \(one.trace, two.trace\)"):
        find_trace(tmp_path)
    assert newest_trace(tmp_path) == tmp_path / "two.trace"


def test_what_was_recorded_before_a_kill_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "k.trace"
    make_trace(folder, records=0)
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from lockscope.trace.kinds import Kind, Recorder\n"
        "from lockscope.trace.writer import SegmentWriter\n"
        "writer = SegmentWriter(Path(sys.argv[1]), Recorder.WORKER)\n"
        "for at in range(5000):\n"
        "    writer.record(Kind.NOTE, began_ns=at)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], check=False)
    assert len(read_trace(folder).of_kind(Kind.NOTE)) == 5000


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("pristine") / "p.trace"
    make_trace(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(
    max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.data())
def test_random_damage_gives_a_clear_error_or_a_reading(
    pristine: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    for name, content in pristine.items():
        used = min(len(content), HEADER_BYTES + 16 * RECORD_BYTES)
        damaged = bytearray(content)
        for _ in range(data.draw(st.integers(0, 4))):
            damaged[data.draw(st.integers(0, used - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.one_of(st.none(), st.integers(0, used)))
        (folder / name).write_bytes(bytes(damaged[:cut]))
    with contextlib.suppress(TraceError):  # anything else that is raised fails the test
        json.dumps(analyse(interpret(read_trace(folder))).waiter_seconds)
