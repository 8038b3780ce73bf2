"""DATABASE MODE COUNT, by the standard library."""

import sqlite3
import sys

path, mode, count = sys.argv[1:]
connection = sqlite3.connect(path, timeout=20, isolation_level=None)
connection.execute(f"PRAGMA journal_mode={mode}").fetchall()
connection.execute("CREATE TABLE IF NOT EXISTS t(x)")
for _ in range(int(count)):
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES(?)", (1,))
    connection.execute("COMMIT")
print(connection.execute("SELECT count(*) FROM t").fetchone())
connection.close()
