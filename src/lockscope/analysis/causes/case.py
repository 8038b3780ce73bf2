"""The case that the rules judge: an analysed trace, its victims, and what each hold was about."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from lockscope.analysis.causes.lookups import Lookups
from lockscope.analysis.causes.model import Answer, Cause, Evidence, Verdict
from lockscope.analysis.causes.queues import Queue
from lockscope.analysis.causes.stories import Doings, HoldStory
from lockscope.analysis.causes.victims import Victim, find_victims
from lockscope.analysis.index import HoldIndex
from lockscope.analysis.model import Analysis, WaitEnd
from lockscope.analysis.protocol import Violation, find_violations
from lockscope.locks.modes import LockMode
from lockscope.locks.sqlite import Slot
from lockscope.trace.model import Process

__all__ = ["Case", "Facts"]

_MOST: Final = 0.5
"""A hold that was in the way for half of a wait is what it waited for."""
_STOPPED: Final = ord("T")
_WRITING: Final = (Slot.PENDING, Slot.RESERVED, Slot.SHARED, Slot.WAL_WRITE)

Facts = tuple[tuple[str, object], ...]
"""What else shows a cause: names and values."""


@dataclass(frozen=True)
class Case:
    """What the rules judge.

    Attributes:
        analysis: The analysed trace.
        victims: Those that no rule has explained yet, in order of time.
        violations: What was done without the lock that the protocol requires for it.
    """

    analysis: Analysis
    victims: tuple[Victim, ...]
    violations: tuple[Violation, ...] = ()
    _lookups: Lookups = field(kw_only=True)

    @classmethod
    def of(cls, analysis: Analysis) -> Self:
        """The case of an analysis, with all its victims."""
        found = find_victims(analysis), find_violations(analysis)
        return cls(analysis, *found, _lookups=Lookups(analysis))

    def without(self, explained: frozenset[Victim]) -> Self:
        """The case that is left when some victims are explained."""
        if not explained:
            return self
        return replace(self, victims=tuple(v for v in self.victims if v not in explained))

    def story(self, hold: int) -> HoldStory:
        """What the holder did during a hold."""
        return self._lookups.story(hold)

    @property
    def doings(self) -> Doings:
        """What each process did."""
        return self._lookups.doings

    def synced_ns(self, hold: int) -> int:
        """How long the syncs took that began during a hold."""
        return self._lookups.doings.synced_ns(hold)

    def waited(self, victim: Victim) -> bool:
        """Whether a victim slept, or was kept long, above all because of one hold of another
        process.
        """
        slept = victim.wait >= 0 and victim.end is not WaitEnd.REFUSED
        return slept and victim.share >= _MOST and not victim.inside

    def queued(self, victim: Victim) -> bool:
        """Whether a victim slept because of several holds, none of them in its way for long."""
        slept = victim.wait >= 0 and victim.end is not WaitEnd.REFUSED and victim.blocker >= 0
        return slept and victim.share < _MOST and not victim.inside

    def queue(self, victim: Victim) -> Queue:
        """Whom a victim with a wait saw go first."""
        return self._lookups.queue(victim.wait)

    def in_the_way(self, victim: Victim) -> NDArray[np.int64]:
        """Places of the holds that were in the way of a victim with a wait, for any time."""
        return self._lookups.in_the_way(victim.wait)

    def first_sleep_ns(self, victim: Victim) -> int:
        """How long a victim asked to sleep after it was first denied; 0 where it did not sleep."""
        return self._lookups.first_sleep_ns(victim.wait)

    def wants_to_write(self, victim: Victim) -> bool:
        """Whether a victim with a wait was denied a lock that it needs to write."""
        return victim.mode is LockMode.EXCLUSIVE

    def granted(self, context: int) -> tuple[int, ...]:
        """Places of the holds of a write lock that a statement was granted, wherever it ran."""
        return self._lookups.granted(self.statement(context))

    def wants_to_commit(self, victim: Victim) -> bool:
        """Whether a victim was denied EXCLUSIVE last, as a COMMIT in a rollback mode is."""
        return victim.wanted is Slot.SHARED and victim.mode is LockMode.EXCLUSIVE

    def holds(self, hold: int) -> tuple[Slot, LockMode]:
        """The lock of a hold."""
        return self._lookups.lock(hold)

    def holds_to_write(self, hold: int) -> bool:
        """Whether a hold is of a lock that keeps other writers out."""
        slot, mode = self.holds(hold)
        return mode is LockMode.EXCLUSIVE and slot in _WRITING

    def ran_during(self, hold: int, wanted: re.Pattern[str]) -> bool:
        """Whether the holder ran, or took the lock by, a statement that begins so."""
        return any(wanted.match(self.statement(context)) for context in self.story(hold).contexts)

    def who_ran(self, wanted: re.Pattern[str]) -> frozenset[int]:
        """Places of the processes that ran a statement that begins so, at any time."""
        statements = self.analysis.source.statements
        contexts = [
            context
            for context in np.unique(statements["context"]).tolist()
            if wanted.match(self.statement(context))
        ]
        return frozenset(statements["process"][np.isin(statements["context"], contexts)].tolist())

    def program(self, hold: int) -> str:
        """Name of the program that the holder runs; empty where unknown."""
        process = self.analysis.source.processes[int(self.analysis.holds["process"][hold])]
        return PurePath((process.command.split() or [""])[0]).name

    def holder(self, victim: Victim) -> Process:
        """The process in a victim's way."""
        return self.analysis.source.processes[int(self.analysis.holds["process"][victim.blocker])]

    def was_stopped(self, victim: Victim) -> bool:
        """Whether samples showed the process in a victim's way stopped, while the victim waited."""
        halts = self.analysis.source.halts
        meets = (halts["began_ns"] <= victim.ended_ns) & (halts["ended_ns"] >= victim.began_ns)
        holder = self.analysis.holds["process"][victim.blocker]
        return bool(np.any(meets & (halts["process"] == holder) & (halts["state"] == _STOPPED)))

    def same_command(self, victim: Victim) -> bool:
        """Whether the victim and the process in its way run the same command line."""
        command = self.holder(victim).command
        return bool(command) and (command == self.analysis.source.processes[victim.process].command)

    @property
    def index(self) -> HoldIndex:
        """Finds holds by their process, resource and moment."""
        return self._lookups.index

    def inside(self, victim: Victim) -> bool:
        """Whether another connection of the victim's own process was in its way."""
        return victim.inside and victim.blocker >= 0

    def statement(self, context: int) -> str:
        """The SQL of a context, in capitals and single spaces; empty where unknown."""
        return self._lookups.statement(context)

    def pid(self, process: int) -> int:
        """The pid of a process."""
        return self.analysis.source.processes[process].pid

    def seconds(self, at_ns: int) -> float:
        """A moment, in seconds from the beginning of the recording."""
        return (at_ns - self.analysis.source.began_ns) / 1e9

    def evidence(self, victim: Victim, *facts: tuple[str, object]) -> Evidence:
        """What happened to a victim, as evidence."""
        source = self.analysis.source
        context = source.contexts[victim.context]
        holder = self._holder(victim.blocker)
        return Evidence(
            pid=self.pid(victim.process),
            at_s=self.seconds(victim.began_ns),
            seconds=victim.waited_ns / 1e9 if victim.wait >= 0 else 0.0,
            failed=victim.failed,
            resource=self._resource(victim),
            statement=context.statement or None,
            source=context.source or None,
            holder_pid=holder[0],
            holder_statement=holder[1],
            holder_source=holder[2],
            facts=facts,
            records=(victim.began_ns, victim.ended_ns),
            victim=victim,
        )

    def broken(self, violation: Violation, *facts: tuple[str, object]) -> Evidence:
        """What was done without a lock, as evidence."""
        context = self.analysis.source.contexts[violation.context]
        return Evidence(
            pid=self.pid(violation.process),
            at_s=self.seconds(violation.at_ns),
            seconds=0.0,
            failed=False,
            resource=violation.what,
            statement=context.statement or None,
            source=context.source or None,
            facts=(*facts, ("did", f"{violation.breach.value} {violation.what}")),
            records=(violation.at_ns, violation.at_ns),
        )

    def ran(self, row: np.void, *facts: tuple[str, object]) -> Evidence:
        """A statement that ran, as evidence."""
        context = self.analysis.source.contexts[int(row["context"])]
        began_ns, ended_ns = int(row["began_ns"]), int(row["ended_ns"])
        return Evidence(
            pid=self.pid(int(row["process"])),
            at_s=self.seconds(began_ns),
            seconds=(ended_ns - began_ns) / 1e9,
            failed=bool(row["error"]),
            statement=context.statement or None,
            source=context.source or None,
            facts=facts,
            records=(began_ns, ended_ns),
        )

    def verdict(
        self,
        cause: Cause,
        victims: Iterable[Victim],
        facts: Callable[[Victim], Facts] = lambda _: (),
    ) -> Verdict:
        """Yes with these victims as its evidence, the longest wait first; no without any."""
        chosen = sorted(victims, key=lambda victim: (-victim.waited_ns, victim.began_ns))
        if not chosen:
            return Verdict(cause, Answer.NO)
        evidence = tuple(self.evidence(victim, *facts(victim)) for victim in chosen)
        known = any(one.source for one in evidence)
        return Verdict(
            cause,
            Answer.YES,
            evidence,
            confidence="certain" if known else "likely",
            victims=frozenset(chosen),
        )

    def _holder(self, hold: int) -> tuple[int | None, str | None, str | None]:
        if hold < 0:
            return None, None, None
        row = self.analysis.holds[hold]
        context = self.analysis.source.contexts[int(row["context"])]
        return self.pid(int(row["process"])), context.statement or None, context.source or None

    def _resource(self, victim: Victim) -> str | None:
        if victim.wait < 0:
            return None
        resource = int(self.analysis.waits["resource"][victim.wait])
        return self.analysis.source.resources[resource].title
