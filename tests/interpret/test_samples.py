"""Samples of the kernel's list beside records: who held without recording, and what was claimed.

A story of `notation` tells what was recorded; beside it stand the lines of the kernel's list:

    2-9   500  WR RESERVED

which samples, of one every 10 ms that takes 1 ms, showed it (`2-` is to the end), whose it was
(0 for nobody's), and what.
"""

from dataclasses import replace

import numpy as np

from lockscope.analysis import Analysis, analyse
from lockscope.interpret import interpret
from lockscope.interpret.model import Cause
from lockscope.locks.sqlite import SHM_SLOTS, SLOT_RANGES, Slot
from lockscope.trace.kinds import Kind, Mode
from lockscope.trace.model import Process, Trace
from lockscope.trace.records import MERGED
from notation import MS, trace_of

EVERY, TOOK = 10 * MS, MS
MODES = {"RD": Mode.SHARED, "WR": Mode.EXCLUSIVE}
Rows = list[dict[str, int]]


def sampled(
    story: str, lines: str = "", *, samples: int = 40, more: Rows | None = None, follow: int = 1
) -> Trace:
    """The trace of a story beside which a sampler ran; `follow` FILE records for each file."""
    trace = trace_of(story) if story else replace(trace_of("0 P1 sleep"), processes=())
    if not story:
        trace = replace(trace, records=trace.records[:0])
    rows: Rows = [
        {"kind": Kind.FILE, "file": file, "began_ns": 0} for file in (1, 2) for _ in range(follow)
    ]
    rows += [row for line in lines.strip().splitlines() for row in seen(*line.split())]
    if samples:
        rows.append(
            {
                "kind": Kind.SAMPLES,
                "duration_ns": (samples - 1) * EVERY + TOOK,
                "start": samples,
                "length": EVERY,
                "file": TOOK,
            }
        )
    return with_rows(trace, rows + (more or []))


def with_rows(trace: Trace, rows: Rows) -> Trace:
    added = np.zeros(len(rows), MERGED)
    for place, row in enumerate(rows):
        for field, value in {"process": len(trace.processes), **row}.items():
            added[field][place] = value
    records = np.concatenate([trace.records, added])
    return replace(
        trace,
        records=records[np.argsort(records["began_ns"], kind="stable")],
        processes=(*trace.processes, Process(1, watched=False)),
        texts=("", "sqlite3 a.db", "/home", "a note"),
    )


def seen(samples: str, pid: str, verb: str, slot: str) -> Rows:
    first, _, last = samples.partition("-")
    rows = [change(int(first), pid, slot, mode=MODES[verb])]
    if last:
        rows.append(change(int(last) + 1, pid, slot, mode=0, error=MODES[verb]))
    return rows


def change(sample: int, pid: str, slot: str, **more: int) -> dict[str, int]:
    if "," in slot:
        start, length = (int(word) for word in slot.split(","))
        file = 1
    else:
        bytes_ = SLOT_RANGES[Slot[slot]]
        start, length = bytes_.first, bytes_.end - bytes_.first
        file = 2 if Slot[slot] in SHM_SLOTS else 1
    began = max(0, sample - 1) * EVERY
    return {
        "kind": Kind.SEEN,
        "began_ns": began,
        "duration_ns": sample * EVERY + TOOK - began,
        "start": start,
        "length": length,
        "file": file,
        "context": int(pid),
        **more,
    }


def holder(pid: int, inner: int = 0, at: int = 0, command: int = 1, user: int = 1) -> Rows:
    return [
        {
            "kind": Kind.HOLDER,
            "start": pid | (inner or pid) << 32,
            "began_ns": at,
            "duration_ns": 77 + at,
            "length": command,
            "file": 2,
            "context": user,
        }
    ]


def analysed(trace: Trace) -> tuple[Analysis, list[str]]:
    analysis = analyse(interpret(trace))
    return analysis, [gap.sentence for gap in analysis.source.gaps]


def outsiders(analysis: Analysis) -> list[tuple[int, str]]:
    return [(p.pid, p.command) for p in analysis.source.processes if not p.recorded]


def test_what_is_recorded_needs_no_other_holder() -> None:
    analysis, gaps = analysed(
        sampled("5 P1 WR RESERVED\n205 P1 UN RESERVED\n399 P1 exit", "1-20 100 WR RESERVED")
    )
    assert (gaps, outsiders(analysis), len(analysis.holds)) == ([], [], 1)
    sampling = analysis.source.sampling
    assert sampling is not None
    assert (sampling.count, sampling.longest_ns, sampling.alone) == (40, EVERY, False)
    assert sampling.mean_ns == (39 * EVERY + TOOK) // 39


def test_a_lock_seen_once_is_explained_by_one_short_hold() -> None:
    story = "0 P1 RD SHARED\n50.2 P1 WR RESERVED\n50.4 P1 UN RESERVED\n399 P1 exit"
    assert analysed(sampled(story, "0- 100 RD SHARED\n5-5 100 WR RESERVED"))[1] == []


def test_a_lock_taken_again_and_again_between_samples_is_explained() -> None:
    story = "\n".join(
        f"{at} P1 WR RESERVED\n{at + 0.5} P1 UN RESERVED" for at in range(5, 300) if at % 7
    )
    assert analysed(sampled(story, "1-29 100 WR RESERVED\n1-29 100 RD SHARED"))[1] != []
    assert analysed(sampled(story, "1-29 100 WR RESERVED"))[1] == []


def test_who_recorded_nothing_is_named_and_blamed() -> None:
    analysis, gaps = analysed(
        sampled(
            "0 P1 RD SHARED\n100 P1 WR RESERVED denied\n101+50 P1 sleep\n152 P1 WR RESERVED denied",
            "0- 100 RD SHARED\n3-20 4242 WR RESERVED",
            more=holder(4242, at=31 * MS),
        )
    )
    assert outsiders(analysis) == [(4242, "sqlite3 a.db")]
    [gap] = gaps
    assert gap == (
        "pid 4242 (sqlite3 a.db) recorded nothing, but held a.db RESERVED: seen by sampling from "
        "0.031 s to 0.200 s."
    )
    [blocker] = analysis.blockers(0)
    assert (blocker.pid, blocker.seconds > 0.05) == (4242, True)
    [hold] = analysis.holds[analysis.holds["cause"] == Cause.NOT_SEEN]
    assert [int(hold[name]) // MS for name in HOLD_TIMES] == [20, 31, 200, 211]


HOLD_TIMES = ("requested_ns", "began_ns", "ended_ns", "released_ns")


def test_a_holder_that_cannot_be_named_is_told() -> None:
    _, gaps = analysed(
        sampled(
            "0 P1 RD SHARED",
            "0- 100 RD SHARED\n3-3 0 WR RESERVED\n5-6 9 WR PENDING",
            more=holder(8, user=0),
        )
    )
    assert [gap.split(" recorded nothing")[0] for gap in gaps] == [
        "a process that the kernel does not name (a lock of an open file description)",
        "pid 9 (its command could not be read)",
    ]


def test_an_unnamed_lock_may_be_that_of_any_recorded_process() -> None:
    story = "0 P1 RD SHARED\n25 P2 WR RESERVED\n95 P2 UN RESERVED"
    assert analysed(sampled(story, "0- 100 RD SHARED\n3-9 0 WR RESERVED"))[1] == []


def test_a_recorded_process_may_hold_what_it_did_not_record() -> None:
    story = "0 P1 WR RESERVED\n55 P1 UN RESERVED\n399 P1 RD SHARED"
    analysis, gaps = analysed(sampled(story, "0-30 100 WR RESERVED", more=holder(100)))
    assert len(gaps) == 1
    assert outsiders(analysis) == [(100, "sqlite3 a.db")]


def test_a_process_of_another_pid_namespace_is_known_by_its_inner_number() -> None:
    story = "5 P1 WR RESERVED\n205 P1 UN RESERVED\n399 P1 exit"
    trace = sampled(story, "1-20 5555 WR RESERVED", more=holder(5555, inner=100))
    assert analysed(trace)[1] == []


def test_locks_that_outlast_an_exit_for_a_moment_are_explained() -> None:
    story = "5 P1 WR RESERVED\n6 P1 exit\n399 P2 RD SHARED"
    assert analysed(sampled(story, "1-20 100 WR RESERVED"))[1] == []


def test_a_pid_that_is_used_again_is_another_holder() -> None:
    analysis, gaps = analysed(
        sampled(
            "0 P1 RD SHARED",
            "0- 100 RD SHARED\n3-6 9 WR RESERVED\n9-12 9 WR RESERVED\n9-12 9 RD SHARED",
            more=holder(9, at=31 * MS) + holder(9, at=91 * MS, command=0),
        )
    )
    assert outsiders(analysis) == [(9, "sqlite3 a.db"), (9, "")]
    assert gaps[1].startswith("pid 9 (its command could not be read) recorded nothing, but held")
    assert "held a.db RESERVED, a.db SHARED:" in gaps[1]


def test_ranges_that_the_kernel_joined_are_the_same_locks() -> None:
    analysis, _ = analysed(
        sampled(
            "0 P1 RD WAL_READ1",
            "0- 100 RD WAL_READ1\n"
            "2-4 9 WR RESERVED\n2-4 9 RD SHARED\n5-8 9 WR 1073741824,512\n7-9 9 WR RESERVED",
        )
    )
    titles = [resource.title for resource in analysis.source.resources]
    holds = [
        (titles[int(h["resource"])], int(h["mode"]), int(h["began_ns"]) // MS)
        for h in analysis.holds
        if not analysis.source.processes[int(h["process"])].recorded
    ]
    assert sorted(holds) == [
        ("a.db PENDING", Mode.EXCLUSIVE, 51),
        ("a.db RESERVED", Mode.EXCLUSIVE, 21),
        ("a.db SHARED", Mode.SHARED, 21),
        ("a.db SHARED", Mode.EXCLUSIVE, 51),
    ]


def test_a_claim_that_no_sample_shows_is_a_gap_with_its_time() -> None:
    story = "5 P1 RD SHARED\n5 P1 WR RESERVED\n305 P1 UN ALL"
    _, gaps = analysed(sampled(story, "1-30 100 RD SHARED\n1-9 100 WR RESERVED"))
    [gap] = gaps
    assert gap == (
        "pid 100 recorded that it held a.db RESERVED from 0.005 s on, but for 0.204 s of that no "
        "sample of /proc/locks shows it: a release was not recorded."
    )


def test_no_claim_is_denied_without_a_whole_sample() -> None:
    seen_lock = "1-30 100 RD SHARED"
    short = "5 P1 RD SHARED\n50 P1 WR RESERVED\n70 P1 UN RESERVED\n305 P1 UN ALL"
    assert analysed(sampled(short, seen_lock))[1] == []
    late_end = "5 P1 RD SHARED\n50 P1 WR RESERVED\n305 P1 killed"
    assert analysed(sampled(late_end, seen_lock))[1] == []


def test_no_claim_is_denied_where_the_file_was_not_followed() -> None:
    story = "5 P1 RD SHARED\n50 P1 WR RESERVED\n305 P1 UN ALL"
    assert analysed(sampled(story))[1] == []
    assert analysed(sampled(story, "1-30 100 RD SHARED", follow=2))[1] == []


def test_samples_alone_are_a_trace() -> None:
    analysis, gaps = analysed(
        sampled(
            "",
            "2- 9 WR WAL_WRITE",
            more=[*holder(9), {"kind": Kind.NOTE, "length": 3, "began_ns": 1}],
        )
    )
    assert (gaps, outsiders(analysis)) == ([], [(9, "sqlite3 a.db")])
    sampling = analysis.source.sampling
    assert sampling is not None
    assert (sampling.alone, sampling.notes) == (True, ("a note",))
    [hold] = analysis.holds
    assert hold["cause"] == Cause.TRACE_ENDED


def test_lockscope_is_no_holder() -> None:
    assert analysed(sampled("0 P1 RD SHARED", "0- 100 RD SHARED\n3-9 1 RD SHARED"))[1] == []


def test_what_the_sampler_could_not_do_is_a_gap() -> None:
    note = {"kind": Kind.NOTE, "length": 3}
    analysis, gaps = analysed(sampled("0 P1 RD SHARED", samples=0, more=[note]))
    assert (gaps, analysis.source.sampling) == (["a note"], None)
    recorders_own = {"kind": Kind.NOTE, "length": 3, "process": 0}
    assert analysed(sampled("0 P1 RD SHARED", samples=0, more=[recorders_own]))[1] == []


def test_many_differences_are_counted() -> None:
    lines = "\n".join(f"3-9 {pid} RD SHARED" for pid in range(500, 530))
    _, gaps = analysed(sampled("0 P1 RD SHARED", "0- 100 RD SHARED\n" + lines))
    assert len(gaps) == 21
    assert gaps[-1] == "10 more differences between the records and the samples."


def test_what_a_process_held_after_it_had_lost_records_is_seen_by_sampling() -> None:
    trace = sampled("5 P1 WR RESERVED\n50 P1 lost\n390 P1 sleep", "1- 100 WR RESERVED")
    [gap] = interpret(trace).gaps
    assert gap.sentence.startswith("pid 100 (its command could not be read) recorded not all, but")
    assert "held a.db RESERVED: seen by sampling from" in gap.sentence


def test_a_holder_that_does_not_go_on_is_halted_until_it_does() -> None:
    def state(letter: str, at: int, pid: int) -> Rows:
        row = {"mode": ord(letter) if letter else 0, "began_ns": at * MS, "duration_ns": 77}
        return [{**holder(pid)[0], **row}]

    told = [*state("", 0, 500), *state("T", 50, 500), *state("", 90, 500), *state("D", 95, 500)]
    told += [*state("T", 60, 100), *state("T", 70, 900)]
    source = interpret(sampled("0 P1 RD SHARED\n300 P1 UN ALL", "2-9 500 WR RESERVED", more=told))
    halts = [(int(h["began_ns"]) // MS, int(h["ended_ns"]) // MS) for h in source.halts]
    assert halts == [(50, 90), (60, 391), (95, 391)]
    assert [source.processes[int(h["process"])].pid for h in source.halts] == [500, 100, 500]
    assert [chr(h["state"]) for h in source.halts] == ["T", "T", "D"]
