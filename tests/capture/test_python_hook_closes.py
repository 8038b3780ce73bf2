"""The line of Python that closes or removes a database's file, also where the interpreter's lock is
given up around the call.
"""

from pathlib import Path

import pytest
from python_hook import Traced, contexts, pythons

from lockscope.trace.kinds import ANOTHER, Kind

BEGIN = """\
import gc, os, sqlite3, subprocess, sys, threading
path = sys.argv[1] if len(sys.argv) > 1 else "a.db"
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("CREATE TABLE t(x)")
connection.execute("BEGIN IMMEDIATE")
"""
EVERY_WAY = """\
open(path, "rb").close()  #open
os.close(os.open(path, os.O_RDONLY))  #os.close
with open(path, encoding="latin-1") as file:
    with_line = file.read()
file = open(path, "rb", buffering=0)
del file  #del
def nested(depth):
    if depth:
        return nested(depth - 1)
    fd = os.open(path, os.O_RDONLY)
    os.dup2(0, fd)  #dup2
    os.close(fd)
nested(40)
fd = os.open(path, os.O_RDONLY)
os.closerange(fd, fd + 1)  #closerange
cycle = [open(path, "rb", buffering=0)]
cycle.append(cycle)
del cycle
gc.collect()  #collected
thread = threading.Thread(target=lambda: open(path, "rb").close())  #thread
thread.start()
thread.join()
subprocess.run(["true"], close_fds=True, check=True)
def generator():
    with open(path, "rb") as inner:
        yield inner
    yield None
made = generator()
next(made)
next(made)
os.link(path, path + ".copy.db")
os.unlink(path + ".copy.db")  #unlink
connection.close()
"""
LINES = [
    "open",
    "os.close",
    "with",
    "del",
    "dup2",
    "closerange",
    "collected",
    "thread",
    "generator",
]


@pytest.fixture(params=pythons())
def traced(request: pytest.FixtureRequest, tmp_path: Path) -> Traced:
    return Traced(tmp_path, request.param)


def places(traced: Traced, kind: Kind) -> list[str]:
    """The sources of the records of a kind that tell of what is none of SQLite's own."""
    segment = traced.segments()[0]
    known = contexts(segment)
    return [
        known.get(int(record["context"]), ("", ""))[1]
        for record in segment.records[segment.records["kind"] == kind]
        if kind != Kind.CLOSE or record["mode"] & ANOTHER
    ]


def test_every_way_to_close_names_its_line(traced: Traced) -> None:
    program = traced.write(BEGIN + EVERY_WAY)
    run = traced.run(program)
    assert (run.returncode, run.stderr) == (0, "")
    lines = traced.lines(program)
    texts = program.read_text().splitlines()
    lines["with"] = texts.index('with open(path, encoding="latin-1") as file:') + 1
    lines["generator"] = texts.index('    with open(path, "rb") as inner:') + 1
    assert places(traced, Kind.CLOSE) == [f"{program}:{lines[way]}" for way in LINES]
    assert places(traced, Kind.REMOVE) == [f"{program}:{lines['unlink']}"]


@pytest.mark.parametrize("folder", ["é", "€", "😀"])
def test_a_path_of_any_alphabet_is_read(traced: Traced, folder: str) -> None:
    program = traced.write(BEGIN + 'open(path, "rb").close()\n', f"{folder}/program.py")
    assert traced.run(program).returncode == 0
    assert places(traced, Kind.CLOSE)[0] == f"{program}:6"


def test_the_line_is_the_program_s_own_and_not_the_library_s(traced: Traced) -> None:
    text = "import shutil\nshutil.copyfile(path, 'copy')  #copy\n"
    program = traced.write(BEGIN + text)
    assert traced.run(program).returncode == 0
    assert places(traced, Kind.CLOSE)[0] == f"{program}:{traced.lines(program)['copy']}"


def test_a_forked_child_names_lines_of_its_own(traced: Traced) -> None:
    text = """\
connection.close()
if os.fork() == 0:
    child = sqlite3.connect(path, isolation_level=None)
    child.execute("BEGIN IMMEDIATE")
    open(path, "rb").close()  #child
    os._exit(0)
os.wait()
"""
    program = traced.write(BEGIN + text)
    assert traced.run(program).returncode == 0
    segment = traced.segments()[1]
    foreign = (segment.records["kind"] == Kind.CLOSE) & (segment.records["mode"] == ANOTHER)
    (close,) = segment.records[foreign]
    assert contexts(segment)[int(close["context"])] == (
        "",
        f"{program}:{traced.lines(program)['child']}",
    )


def test_threads_that_close_while_the_interpreter_goes_down_hurt_nobody(traced: Traced) -> None:
    text = """\
def closing():
    while True:
        os.close(os.open(path, os.O_RDONLY))
for _ in range(3):
    threading.Thread(target=closing, daemon=True).start()
for _ in range(1000):
    os.close(os.open(path, os.O_RDONLY))
"""
    program = traced.write(BEGIN + text)
    for _ in range(5):
        (traced.folder / "a.db").unlink(missing_ok=True)
        run = traced.run(program)
        assert (run.returncode, run.stderr) == (0, "")
