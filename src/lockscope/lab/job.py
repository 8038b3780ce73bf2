"""What one worker is told, as one word of its command line."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from lockscope.lab.plan import Plan
from lockscope.remedies import REMEDIES

__all__ = ["Job"]


@dataclass(frozen=True, slots=True)
class Job:
    """What one worker is told.

    Attributes:
        plan: The plan of the experiment.
        worker: Its number (1, 2, ...).
        trace: The trace's folder.
        statements: Record statements from Python, because no native recorder does.
    """

    plan: Plan
    worker: int
    trace: str
    statements: bool

    def encode(self) -> str:
        """The job as one word of a command line."""
        plan = {**asdict(self.plan), "remedy": self.plan.remedy.name}
        return json.dumps({**asdict(self), "plan": plan})

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what `encode` wrote."""
        fields = json.loads(text)
        plan = fields.pop("plan")
        remedy = next(remedy for remedy in REMEDIES if remedy.name == plan["remedy"])
        return cls(Plan(**{**plan, "remedy": remedy}), **fields)
