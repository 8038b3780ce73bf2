"""The documents of a run: run.json by its schema, the transcript, the folder."""

import json
import re
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from lab_runs import lockscope_run

SCHEMA = json.loads(
    resources.files("lockscope.report").joinpath("schemas", "run.json").read_text("utf-8")
)
LINE = re.compile(r" *[+-]\d+\.\d{6}  \d\d:\d\d:\d\d\.\d{3}  (INFO|WARN|ERROR) +(P\d+|lab) +\S")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, []),
        (1, ["--hold", "300ms", "--timeout", "50ms"]),
        (1, ["own:Liar"]),
        (1, ["own:Leaves"]),
        (1, ["own:CommitsThenRaises"]),
    ],
)
def test_every_document_follows_its_schema(tmp_path: Path, status: int, words: list[str]) -> None:
    run = lockscope_run(tmp_path, *words, "--json", "-o", "out")
    assert run.status == status
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(run.document, SCHEMA, jsonschema.Draft202012Validator)
    assert json.loads((tmp_path / "out" / "run.json").read_text()) == run.document
    for place in ("database", "trace", "folder"):
        assert Path(run.document[place]).exists()


def test_the_folder_holds_everything_and_belongs_to_its_owner(tmp_path: Path) -> None:
    run = lockscope_run(tmp_path)
    assert run.status == 0
    (folder,) = (tmp_path / "lockscope-runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-pets", folder.name)
    names = {path.name for path in folder.iterdir()}
    assert names == {"pets.trace", "pets.db", "transcript.txt", "report.txt", "run.json"}
    assert folder.stat().st_mode & 0o077 == 0


def test_the_transcript_tells_each_step_with_its_time(tmp_path: Path) -> None:
    lockscope_run(tmp_path, "-o", "out", "--think", "10ms")
    lines = (tmp_path / "out" / "transcript.txt").read_text().splitlines()
    assert all(LINE.match(line) for line in lines)
    ace = [line[28:] for line in lines if "Ace" in line]
    assert [re.sub(r" +", " ", line) for line in ace] == [
        "INFO P1 thinks before Ace",
        "INFO P1 asks for the database: Ace (transaction 1, attempt 1)",
        "INFO P1 is in its transaction with Ace",
        "INFO P1 committed Ace",
    ]


def test_two_runs_in_the_same_second_have_two_folders(tmp_path: Path) -> None:
    from lab_runs import finish, start

    runs = [start(tmp_path, []) for _ in range(3)]
    assert [finish(run).status for run in runs] == [0, 0, 0]
    assert len(list((tmp_path / "lockscope-runs").iterdir())) == 3
