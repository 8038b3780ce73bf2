"""lockscope: see who holds the lock.

Many processes, one database: run an experiment and watch it break, see who holds the lock in any
real program and why, share the database well. The command line is `lockscope`;
`docs/architecture.md` is the plan of the house.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
