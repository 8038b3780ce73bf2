"""Each cause is found where it was staged, and nothing where it was cured."""

from pathlib import Path

import pytest

from lockscope.analysis import analyse
from lockscope.capture.preload import missing_sentence
from lockscope.interpret import interpret
from lockscope.lab.zoo import EXHIBITS, Exhibit
from lockscope.lab.zoo.showing import lacking, show
from lockscope.trace.reader import read_trace

pytestmark = pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence())


def found(exhibit: Exhibit, trace: Path, *, cured: bool) -> tuple[str, ...]:
    show(exhibit, trace, cured=cured)
    findings = analyse(interpret(read_trace(trace))).findings
    return tuple(sorted(finding.cause for finding in findings))


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.name)
def test_an_exhibit_shows_its_cause_and_no_other(exhibit: Exhibit, tmp_path: Path) -> None:
    if lacking(exhibit):
        pytest.skip(f"needs {lacking(exhibit)}")
    assert found(exhibit, tmp_path / "ill.trace", cured=False) == exhibit.finds
    assert found(exhibit, tmp_path / "cured.trace", cured=True) == ()
