"""Who held what when: the analysis against a lock manager of a few lines."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from lockscope.analysis import analyse
from lockscope.interpret import interpret
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import SLOT_RANGES, Slot, slots_in
from notation import MS, trace_of

MAIN = (Slot.PENDING, Slot.RESERVED, Slot.SHARED)
MODES = {"RD": LockMode.SHARED, "WR": LockMode.EXCLUSIVE, "UN": LockMode.NONE}

Held = dict[tuple[str, Slot], LockMode]


def held_at(story: str) -> list[tuple[float, set[tuple[int, str, str]]]]:
    """At the middle between any two moments of a story: (pid, resource, mode) of each hold."""
    trace = trace_of(story)
    analysis = analyse(interpret(trace))
    moments = [at + 0.5 for at in range(int(trace.manifest.ended_ns / MS))]
    return [
        (
            moment,
            {
                (
                    trace.processes[int(row["process"])].pid,
                    analysis.source.resources[int(row["resource"])].title,
                    LockMode(int(row["mode"])).name,
                )
                for row in analysis.holds
                if row["began_ns"] <= moment * MS < row["ended_ns"]
            },
        )
        for moment in moments
    ]


class LockManager:
    """The kernel's table of POSIX locks on one file, slot by slot, as fcntl(2) tells it."""

    def __init__(self) -> None:
        self.held: Held = {}

    def ask(self, process: str, mode: LockMode, slots: tuple[Slot, ...]) -> bool:
        rivals = [
            held for (other, slot), held in self.held.items() if other != process and slot in slots
        ]
        if mode is LockMode.EXCLUSIVE and rivals:
            return False
        if mode is LockMode.SHARED and LockMode.EXCLUSIVE in rivals:
            return False
        for slot in slots:
            self.held.pop((process, slot), None)
            if mode is not LockMode.NONE:
                self.held[process, slot] = mode
        return True

    def drop(self, process: str) -> None:
        for key in [key for key in self.held if key[0] == process]:
            del self.held[key]


PROCESSES = st.sampled_from(["P1", "P2", "P3"])
RANGES = st.sampled_from(
    [
        *(f"{SLOT_RANGES[s].first},{SLOT_RANGES[s].end - SLOT_RANGES[s].first}" for s in MAIN),
        "1073741824,2",  # PENDING and RESERVED, as the end of a commit unlocks them
        "1073741824,512",
        "ALL",
    ]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(PROCESSES, st.sampled_from(["RD", "WR", "UN"]), RANGES),
        st.tuples(PROCESSES, st.sampled_from(["close", "exec"]), st.just("")),
    ),
    min_size=1,
    max_size=40,
)


def told(steps: list[tuple[str, str, str]]) -> Iterator[tuple[str, Held]]:
    """Each step as a line of a story with its verdict, and what is held after it."""
    manager = LockManager()
    for at, (process, verb, bytes_) in enumerate(steps):
        if verb in MODES:
            start, length = (0, 0) if bytes_ == "ALL" else map(int, bytes_.split(","))
            granted = manager.ask(process, MODES[verb], slots_in(start, length, MAIN))
            yield (
                f"{at} {process} {verb} {bytes_} {'ok' if granted else 'denied'}",
                dict(manager.held),
            )
        else:
            manager.drop(process)
            yield f"{at} {process} {verb}", dict(manager.held)


@given(STEPS)
def test_holds_agree_with_a_lock_manager(steps: list[tuple[str, str, str]]) -> None:
    lines, states = zip(*told(steps), strict=True)
    pids: dict[str, int] = {}
    for process, _, _ in steps:
        pids.setdefault(process, 100 + len(pids))
    found = held_at("\n".join(lines))
    for (_, seen), state in zip(found, states, strict=False):
        assert seen == {
            (pids[process], f"a.db {slot.title}", mode.name)
            for (process, slot), mode in state.items()
        }


def test_a_range_that_covers_several_slots_is_several_holds() -> None:
    assert held_at("0 P1 WR 1073741824,512\n2 P1 exit")[0][1] == {
        (100, "a.db PENDING", "EXCLUSIVE"),
        (100, "a.db RESERVED", "EXCLUSIVE"),
        (100, "a.db SHARED", "EXCLUSIVE"),
    }


def test_calls_that_overlap_take_effect_as_they_return() -> None:
    story = "0+5 P1 WR RESERVED\n1+1 P1 UN RESERVED  # by another thread\n8 P1 UN RESERVED"
    held = [bool(holds) for _, holds in held_at(story)]
    assert held == [False] * 5 + [True] * 3


def test_killed_holder_is_clipped_where_a_rival_proves_it_gone() -> None:
    found = held_at(
        """
        0 P1 WR RESERVED
        3 P2 WR RESERVED        # granted: so P1 was gone, whatever the supervisor saw later
        9 P1 killed
        10 P2 UN RESERVED
        """
    )
    assert [{pid for pid, _, _ in seen} for _, seen in found[:5]] == [{100}] * 3 + [{101}] * 2


def test_an_exec_that_fails_drops_no_lock() -> None:
    story = "0 P1 WR RESERVED\n5 P1 exec failed\n6 P1 exec failed\n9 P1 {}\n20 P1 exit"
    for end, released in (("UN ALL", 9), ("exec", 9)):
        [hold] = analyse(interpret(trace_of(story.format(end)))).holds
        assert (int(hold["began_ns"]), int(hold["released_ns"])) == (0, released * MS)
