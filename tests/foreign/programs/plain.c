/* DATABASE MODE COUNT, by the C interface. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static void run(sqlite3 *connection, const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(connection, sql, NULL, NULL, &message) != SQLITE_OK) {
    fprintf(stderr, "%s: %s\n", sql, message);
    exit(1);
  }
}

int main(int argc, char **argv) {
  sqlite3 *connection;
  char pragma[64];
  if (argc != 4 || sqlite3_open(argv[1], &connection) != SQLITE_OK) return 2;
  sqlite3_busy_timeout(connection, 20000);
  snprintf(pragma, sizeof pragma, "PRAGMA journal_mode=%s", argv[2]);
  run(connection, pragma);
  run(connection, "CREATE TABLE IF NOT EXISTS t(x)");
  for (int i = 0; i < atoi(argv[3]); i++) {
    run(connection, "BEGIN IMMEDIATE");
    run(connection, "INSERT INTO t VALUES(1)");
    run(connection, "COMMIT");
  }
  run(connection, "SELECT count(*) FROM t");
  return sqlite3_close(connection) == SQLITE_OK ? 0 : 1;
}
