"""What a person and a machine are told of the same trace."""

import io
import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

import lockscope.report
from lockscope.analysis import analyse
from lockscope.interpret import interpret
from lockscope.report import json as json_report
from lockscope.report import terminal
from lockscope.report.terminal import seconds
from notation import trace_of

STORY = """
    0     P1 asks /app/a.py:3 INSERT INTO t VALUES (?)
    0.1   P1 WR RESERVED
    0.2   P1 returned
    1     P2 asks /app/b.py:9 UPDATE t SET x = [bold]
    1.1   P2 WR RESERVED denied
    1.2+9 P2 sleep
    10.3  P2 WR RESERVED denied
    10.4  P2 returned 5
    20    P1 UN ALL
    21    P3 RD SHARED
    22    P3 UN ALL
    30    P1 exit
    30    P2 exit
    30    P3 exit
"""

GOLDEN = Path(__file__).with_name("golden.txt").read_text()


def rendered(story: str) -> str:
    trace = trace_of(story)
    out = io.StringIO()
    terminal.render(trace, analyse(interpret(trace)), out)
    return "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


def test_the_report_for_a_terminal() -> None:
    assert rendered(STORY) == GOLDEN


@pytest.mark.parametrize("story", ["", STORY, STORY + "5 P3 unlink\n6 P3 replace -wal"])
def test_the_document_keeps_to_its_schema(story: str) -> None:
    schema = json.loads((resources.files(lockscope.report) / "schemas" / "report.json").read_text())
    trace = trace_of(story)
    document = json_report.report_document(trace, analyse(interpret(trace)))
    jsonschema.validate(document, schema)
    assert json.loads(json.dumps(document)) == document


def test_files_that_lost_their_names_are_told_once_for_those_alike() -> None:
    text = rendered("0 P1 RD SHARED\n1 P2 unlink\n2 P2 unlink\n3 P2 unlink -wal\n4 P1 UN ALL")
    assert "Files that lost their names: 3\n" in text
    assert "  Process 101 unlinked a.db while process 100 held a.db SHARED. 2 times.\n" in text
    assert "  Process 101 unlinked a.db-wal.\n" in text


def test_a_trace_without_waits_says_so() -> None:
    assert "Nobody waited." in rendered("0 P1 RD SHARED\n1 P1 UN ALL\n2 P1 exit")


def test_a_deadlock_is_told_with_its_victim() -> None:
    text = rendered(
        """
        0   P1 WR RESERVED
        0   P2 WR WAL_WRITE
        1   P1 WR WAL_WRITE denied
        1+9 P1 sleep
        2   P2 WR RESERVED denied
        2+9 P2 sleep
        12  P1 exit
        12  P2 exit
        """
    )
    assert (
        "Deadlock after 2 ms: 101 waits for a.db RESERVED, held by 100 waits for a.db WAL WRITE, "
        "held by 101; 100 gave up first"
    ) in " ".join(text.split())


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 s"), (4.2e-7, "0.42 µs"), (0.0042, "4.2 ms"), (3.14159, "3.14 s"), (1234.5, "1,234 s")],
)
def test_durations_are_short(value: float, text: str) -> None:
    assert seconds(value) == text


def test_what_took_a_lock_is_said_to_be_unknown_where_it_is() -> None:
    lines = [line for line in STORY.splitlines() if "asks" not in line and "returned" not in line]
    told = rendered("\n".join(lines))
    assert "Which statements took the locks of 1 process (?) is not known" in told
    assert "taken by" not in told
    assert "is not known" not in rendered(STORY)


def test_a_refusal_is_not_called_a_wait() -> None:
    text = rendered("0 P1 WR RESERVED\n1 P2 WR RESERVED denied\n9 P1 UN ALL\n9 P2 exit")
    assert "101 was refused a.db RESERVED at once\n" in text
    assert "  100 held a.db RESERVED then\n" in text
