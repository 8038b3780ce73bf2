"""Record for record the same as strace, of programs that nobody wrote for lockscope."""

import os
import shutil
from pathlib import Path

import pytest
from comparison import MODES, compare, report, words
from foreign_programs import PROGRAMS, MissingProgramError, Program

from lockscope.capture.preload import missing_sentence

pytestmark = [
    pytest.mark.skipif(bool(missing_sentence()), reason=missing_sentence()),
    pytest.mark.skipif(shutil.which("strace") is None, reason="no strace"),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_no_lock_call_is_missing_and_none_is_invented(
    program: Program, mode: str, tmp_path: Path
) -> None:
    try:
        program.version()
        comparison = compare(program, mode, tmp_path)
    except MissingProgramError as missing:
        # CI installs all of them: there a skip would hide that nothing is compared.
        if "LOCKSCOPE_REQUIRE_FOREIGN" in os.environ:
            raise
        pytest.skip(str(missing))
    assert min(comparison.counts) > 50
    assert comparison.recorded == comparison.seen
    document = report(comparison.trace)
    assert document["gaps"] == []
    resource = "a.db WAL WRITE" if mode == "wal" else "a.db RESERVED"
    writes = [hold for hold in document["holds"] if hold["resource"] == resource]
    assert len(writes) >= 12
    told = [hold for hold in writes if hold["statement"]]
    if program.statements:
        assert len(told) == len(writes)
        assert all("/programs/" in hold["source"] for hold in told)
    elif not told:
        assert "is not known" in words(comparison.trace)
