"""Small WAL transactions in a tight loop: the worst case for a recorder of statements.

Arguments: the database's path, which must not exist yet, and the number of transactions. Prints
how many nanoseconds the loop took.
"""

import sqlite3
import sys
import time


def main(database: str, count: int) -> int:
    """Run the loop and return its nanoseconds."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("CREATE TABLE numbers(id INTEGER PRIMARY KEY, value INTEGER)")
    execute = connection.execute
    began_ns = time.monotonic_ns()
    for value in range(count):
        execute("BEGIN IMMEDIATE")
        execute("INSERT INTO numbers(value) VALUES (?)", (value,))
        execute("COMMIT")
    took_ns = time.monotonic_ns() - began_ns
    connection.close()
    return took_ns


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2])))
