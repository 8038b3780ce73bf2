"""Lock events become holds, waits, the wait-for graph and findings. Pure: no process, no file, no
clock.
"""

from dataclasses import replace

import numpy as np

from lockscope.analysis.blame import find_blocks
from lockscope.analysis.causes import find_causes
from lockscope.analysis.graph import find_deadlocks, wait_for_graph
from lockscope.analysis.holds import find_holds
from lockscope.analysis.index import HoldIndex
from lockscope.analysis.inside import find_inside
from lockscope.analysis.model import Analysis, Blame, Blocker, Deadlock, Finding, WaitEnd
from lockscope.analysis.waits import find_waits
from lockscope.interpret.model import Events, Interpretation
from lockscope.trace.rows import stable_order

__all__ = ["Analysis", "Blame", "Blocker", "Deadlock", "Finding", "WaitEnd", "analyse"]


def analyse(source: Interpretation) -> Analysis:
    """Analyse the lock events of a trace.

    Args:
        source: As `interpret.interpret` gives it.
    """
    holds = find_holds(source)
    index = HoldIndex(holds)
    waits, tries = find_waits(source)
    inside, within = find_inside(source, index, waits)
    within["wait"] += len(waits)
    waits, tries, within = _in_order(np.concatenate([waits, inside]), tries, within)
    blocks = find_blocks(holds, tries)
    # A process that waits for itself is no edge: its threads' waits would all be cycles.
    edges = wait_for_graph(source, index, waits, blocks)
    # No wait is in both, and each is by wait and hold.
    blocks = np.concatenate([blocks, within])
    blocks = blocks.take(stable_order(blocks["wait"]))
    analysis = Analysis(source, holds, waits, blocks, tuple(edges), find_deadlocks(edges, waits))
    return replace(analysis, findings=find_causes(analysis))


def _in_order(waits: Events, tries: Events, blocks: Events) -> tuple[Events, Events, Events]:
    """Waits by time, with the rows that number them."""
    order = stable_order(waits["began_ns"])
    rank = np.empty(len(order), np.uint32)
    rank[order] = np.arange(len(order), dtype=np.uint32)
    for rows in (tries, blocks):
        rows["wait"] = rank[rows["wait"]]
    return waits.take(order), tries.take(stable_order(tries["wait"])), blocks
