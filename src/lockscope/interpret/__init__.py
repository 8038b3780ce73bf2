"""Records become lock events: one module an engine. Pure: no process, no file, no clock."""

from lockscope.interpret.model import Interpretation
from lockscope.interpret.sqlite import interpret

__all__ = ["Interpretation", "interpret"]
