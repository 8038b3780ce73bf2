"""Closed descriptors, removed files, and locks of open file descriptions."""

from lockscope.analysis.holds import find_holds
from lockscope.interpret import interpret
from lockscope.interpret.model import Cause, Interpretation
from lockscope.trace.kinds import ANOTHER, BY_DESCRIPTION, Kind, Mode, Removal
from lockscope.trace.model import Trace
from notation import MS, trace_of


def with_modes(trace: Trace, kind: Kind, mode: int) -> Trace:
    """The same trace with a mode, or a flag of it, on all records of a kind."""
    trace.records["mode"][trace.records["kind"] == kind] |= mode
    return trace


def ends(source: Interpretation) -> list[tuple[str, Cause, int]]:
    return [
        (
            source.resources[int(hold["resource"])].title,
            Cause(int(hold["cause"])),
            int(hold["ended_ns"]) // MS,
        )
        for hold in find_holds(source)
    ]


STORY = "0 P1 WR RESERVED\n3 P1 close\n7 P1 UN ALL"


def test_a_process_s_lock_goes_with_any_descriptor() -> None:
    source = interpret(with_modes(trace_of(STORY), Kind.CLOSE, ANOTHER))
    assert ends(source) == [("a.db RESERVED", Cause.CLOSE, 3)]


def test_the_lock_of_an_open_file_description_stays_when_another_descriptor_goes() -> None:
    trace = with_modes(trace_of(STORY), Kind.CLOSE, ANOTHER)
    source = interpret(with_modes(trace, Kind.LOCK, BY_DESCRIPTION))
    assert ends(source) == [("a.db RESERVED", Cause.UNLOCK, 7)]


def test_it_goes_with_its_own_descriptor() -> None:
    source = interpret(with_modes(trace_of(STORY), Kind.LOCK, BY_DESCRIPTION))
    assert ends(source) == [("a.db RESERVED", Cause.CLOSE, 3)]


def test_the_flag_is_no_part_of_the_mode() -> None:
    source = interpret(with_modes(trace_of(STORY), Kind.LOCK, BY_DESCRIPTION))
    assert set(source.events["mode"].tolist()) == {Mode.UNLOCK, Mode.EXCLUSIVE}


def test_a_lock_is_not_claimed_beyond_the_first_record_that_was_lost() -> None:
    source = interpret(trace_of("0 P1 WR RESERVED\n4 P1 lost\n9 P2 RD SHARED"))
    assert ends(source)[0] == ("a.db RESERVED", Cause.LOST, 4)


def test_closures_say_who_closed_what() -> None:
    source = interpret(with_modes(trace_of(STORY), Kind.CLOSE, ANOTHER))
    [closure] = source.closures
    assert (int(closure["began_ns"]), int(closure["another"])) == (3 * MS, 1)
    assert source.databases[int(closure["database"])] == "/a.db"


def test_removals_name_the_file_and_its_database() -> None:
    trace = trace_of("0 P1 WR RESERVED\n3 P1 close-shm")
    trace.records["kind"][-1] = Kind.REMOVE
    trace.records["mode"][-1] = Removal.UNLINKED
    source = interpret(trace)
    [removal] = source.removals
    assert source.files[int(removal["file"])] == "/a.db-shm"
    assert source.databases[int(removal["database"])] == "/a.db"
    assert (int(removal["at_ns"]), int(removal["how"])) == (3 * MS, Removal.UNLINKED)
    assert len(source.closures) == 0
