"""DATABASE MODE COUNT, by apsw, which brings a SQLite of its own."""

import sys

import apsw

path, mode, count = sys.argv[1:]
connection = apsw.Connection(path)
connection.set_busy_timeout(20_000)
connection.execute(f"PRAGMA journal_mode={mode}").fetchall()
connection.execute("CREATE TABLE IF NOT EXISTS t(x)")
for _ in range(int(count)):
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES(?)", (1,))
    connection.execute("COMMIT")
print(connection.execute("SELECT count(*) FROM t").fetchall())
connection.close()
