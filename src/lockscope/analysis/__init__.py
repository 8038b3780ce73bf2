"""Lock events become holds, waits, the wait-for graph and findings. Pure: no process, no file, no
clock.
"""

from dataclasses import replace

from lockscope.analysis.blame import find_blocks
from lockscope.analysis.findings import find_causes
from lockscope.analysis.graph import find_deadlocks, wait_for_graph
from lockscope.analysis.holds import find_holds
from lockscope.analysis.model import Analysis, Blame, Blocker, Deadlock, Finding, WaitEnd
from lockscope.analysis.waits import find_waits
from lockscope.interpret.model import Interpretation

__all__ = ["Analysis", "Blame", "Blocker", "Deadlock", "Finding", "WaitEnd", "analyse"]


def analyse(source: Interpretation) -> Analysis:
    """Analyse the lock events of a trace.

    Args:
        source: As `interpret.interpret` gives it.
    """
    holds = find_holds(source)
    waits, tries = find_waits(source)
    blocks = find_blocks(holds, tries)
    edges = wait_for_graph(source, holds, waits, blocks)
    analysis = Analysis(source, holds, waits, blocks, tuple(edges), find_deadlocks(edges, waits))
    return replace(analysis, findings=find_causes(analysis))
