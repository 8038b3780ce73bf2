"""DATABASE MODE COUNT, by pysqlite3, which brings a SQLite of its own."""

import sys

import pysqlite3

path, mode, count = sys.argv[1:]
connection = pysqlite3.connect(path, timeout=20, isolation_level=None)
connection.execute(f"PRAGMA journal_mode={mode}").fetchall()
connection.execute("CREATE TABLE IF NOT EXISTS t(x)")
for _ in range(int(count)):
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES(?)", (1,))
    connection.execute("COMMIT")
print(connection.execute("SELECT count(*) FROM t").fetchone())
connection.close()
