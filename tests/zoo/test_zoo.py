"""Each cause is found where it was staged, and nothing where it was cured."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lockscope.analysis import analyse
from lockscope.analysis.protocol import find_violations
from lockscope.capture.preload import missing_sentence
from lockscope.capture.recording import Recording
from lockscope.interpret import interpret
from lockscope.lab.zoo import EXHIBITS, Exhibit
from lockscope.lab.zoo.showing import lacking, show
from lockscope.trace.reader import read_trace

LAWFUL = Path(__file__).with_name("lawful.py")
pytestmark = pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())


def found(exhibit: Exhibit, trace: Path, *, cured: bool) -> tuple[str, ...]:
    show(exhibit, trace, cured=cured)
    findings = analyse(interpret(read_trace(trace))).findings
    return tuple(sorted(finding.cause for finding in findings))


def test_lawful_use_of_sqlite_breaks_no_rule_of_its_protocol(tmp_path: Path) -> None:
    trace = tmp_path / "lawful.trace"
    folder = tmp_path / "databases"
    folder.mkdir()
    with Recording(trace, ("lawful",)) as recording:
        environment = recording.environment(os.environ)
        command = [sys.executable, str(LAWFUL), str(folder)]
        subprocess.run(command, env=environment, check=True)
    analysis = analyse(interpret(read_trace(trace)))
    assert len(analysis.source.work) > 0
    assert find_violations(analysis) == ()
    broken = {"C30", "C31", "C32", "C33", "C35", "C36"}
    assert broken.isdisjoint(finding.cause for finding in analysis.findings)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.name)
def test_an_exhibit_shows_its_cause_and_no_other(exhibit: Exhibit, tmp_path: Path) -> None:
    if lacking(exhibit):
        pytest.skip(f"needs {lacking(exhibit)}")
    assert found(exhibit, tmp_path / "ill.trace", cured=False) == exhibit.finds
    assert found(exhibit, tmp_path / "cured.trace", cured=True) == ()
