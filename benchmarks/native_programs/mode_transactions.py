"""Small transactions in a mode of one's choice: `mode_transactions.c` in Python.

Arguments: DATABASE COUNT JOURNAL SYNCHRONOUS. Prints how many nanoseconds the loop took.
"""

import sqlite3
import sys
import time

PATIENCE_S = 120


def main(database: str, count: int, journal: str, synchronous: str) -> int:
    """Run the loop and return its nanoseconds."""
    connection = sqlite3.connect(database, isolation_level=None, timeout=PATIENCE_S)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("CREATE TABLE IF NOT EXISTS numbers(id INTEGER PRIMARY KEY, value INTEGER)")
    began_ns = time.monotonic_ns()
    for value in range(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO numbers(value) VALUES (?)", (value,))
        connection.execute("COMMIT")
    took_ns = time.monotonic_ns() - began_ns
    connection.close()
    return took_ns


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))
