"""Experiments: workloads, the workers that run them, and the audit of what they left.

A workload of one's own needs `Row` and `Turn` from here; everything else is the lab's own.
"""

from lockscope.lab.plan import Plan
from lockscope.lab.workload import Row, Turn, Workload

__all__ = ["Plan", "Row", "Turn", "Workload"]
