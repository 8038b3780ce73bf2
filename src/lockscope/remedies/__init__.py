"""Ways to share a database well; each works in production with the standard library alone.

    from lockscope.remedies import TEXTBOOK
    TEXTBOOK.run("app.db", transaction, timeout_s=5)

where `transaction` has two methods: `body(connection)`, which reads and writes but neither begins
nor commits, and `task()`, the slow part that needs no lock.
"""

from typing import Final

from lockscope.remedies.remedy import Remedy, Transaction, UnknownCommitError

__all__ = [
    "IMMEDIATE",
    "REMEDIES",
    "SHORT",
    "STOCK",
    "TEXTBOOK",
    "TIMEOUT",
    "WAL",
    "Remedy",
    "Transaction",
    "UnknownCommitError",
]

STOCK: Final = Remedy("stock", "what sqlite3.connect does if nothing is said")
TIMEOUT: Final = Remedy(
    "timeout", "as stock, with a timeout that outlasts everybody else's holds", outlasts=True
)
WAL: Final = Remedy("wal", "as stock, with a write-ahead log: readers no longer wait", wal=True)
IMMEDIATE: Final = Remedy("immediate", "as stock, but BEGIN IMMEDIATE asks at once", immediate=True)
TEXTBOOK: Final = Remedy(
    "textbook", "write-ahead log, BEGIN IMMEDIATE, 5 s", wal=True, immediate=True, own_timeout_s=5.0
)
SHORT: Final = Remedy("short", "as stock, the slow part before the transaction", task_first=True)

REMEDIES: Final = (STOCK, TIMEOUT, WAL, IMMEDIATE, TEXTBOOK, SHORT)
"""Every remedy, the plainest first."""
