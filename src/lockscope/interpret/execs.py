"""Execs that took place: a program that was replaced by another."""

import numpy as np

from lockscope.trace.kinds import Kind
from lockscope.trace.model import Records, Trace

__all__ = ["succeeded"]


def succeeded(trace: Trace) -> Records:
    """The EXEC records of programs that were replaced, in order of time.

    An exec is recorded before it is tried, since nothing of the program is there afterwards; one
    that fails is recorded once more, with its error and the same beginning. A search along PATH
    fails several times, and drops no lock.
    """
    execs = trace.of_kind(Kind.EXEC)
    failed = execs[execs["error"] != 0]
    tried = {(int(row["process"]), int(row["began_ns"])) for row in failed}
    took_place = [(int(row["process"]), int(row["began_ns"])) not in tried for row in execs]
    return execs[np.array(took_place, np.bool_)]
