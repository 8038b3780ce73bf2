#!/bin/sh
# DATABASE MODE COUNT, by the sqlite3 shell.
set -e
printf '.timeout 20000\nPRAGMA journal_mode=%s;\nCREATE TABLE IF NOT EXISTS t(x);\n' "$2" | sqlite3 "$1" >/dev/null
n=0
while [ "$n" -lt "$3" ]; do
  sqlite3 -cmd '.timeout 20000' "$1" 'BEGIN IMMEDIATE; INSERT INTO t VALUES(1); COMMIT;'
  n=$((n + 1))
done
sqlite3 -cmd '.timeout 20000' "$1" 'SELECT count(*) FROM t'
