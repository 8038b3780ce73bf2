/* connections SCENE DATABASE: several connections of one process on one database. Prints each result. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *path;

static sqlite3 *connection(int timeout_ms) {
  sqlite3 *made;
  if (sqlite3_open(path, &made) != SQLITE_OK) exit(3);
  sqlite3_busy_timeout(made, timeout_ms);
  return made;
}

static void run(sqlite3 *database, const char *sql) { printf("%d\n", sqlite3_exec(database, sql, NULL, NULL, NULL)); }

static void inner(int timeout_ms) {
  sqlite3 *holder = connection(0), *waiter = connection(timeout_ms);
  run(holder, "BEGIN IMMEDIATE");
  run(holder, "INSERT INTO pets VALUES ('Ace')");
  run(waiter, "INSERT INTO pets VALUES ('Buddy'), (12)");
  run(holder, "COMMIT");
  sqlite3_close(waiter);
  sqlite3_close(holder);
}

/* A cursor that is read in the middle of its statement, and a table that is dropped under it. */
static void locked(void) {
  sqlite3 *only = connection(0);
  sqlite3_stmt *reading;
  run(only, "INSERT INTO pets VALUES ('Ace'), ('Buddy')");
  if (sqlite3_prepare_v2(only, "SELECT name FROM pets", -1, &reading, NULL) != SQLITE_OK) exit(3);
  printf("%d\n", sqlite3_step(reading));
  run(only, "DROP TABLE pets");
  printf("%d\n", sqlite3_finalize(reading));
  sqlite3_close(only);
}

/* One text of SQL for each value, comments, a trigger with statements of its own, and one prepared as UTF-16. */
static void shapes(void) {
  sqlite3 *only = connection(0);
  char sql[128];
  for (int i = 0; i < 50; i++) {
    snprintf(sql, sizeof sql, "INSERT INTO pets VALUES ('it''s %d; no'); -- %d", i, i);
    run(only, sql);
  }
  run(only, "CREATE TRIGGER t AFTER DELETE ON pets BEGIN DELETE FROM pets WHERE name = 'x'; SELECT 1; END");
  static const char wide[] = "D\0E\0L\0E\0T\0E\0 \0F\0R\0O\0M\0 \0p\0e\0t\0s\0\0";
  sqlite3_stmt *statement;
  if (sqlite3_prepare16_v2(only, wide, -1, &statement, NULL) != SQLITE_OK) exit(3);
  printf("%d\n", sqlite3_step(statement));
  sqlite3_finalize(statement);
  sqlite3_close(only);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  path = argv[2];
  sqlite3 *first = connection(0);
  run(first, "PRAGMA journal_mode=WAL");
  run(first, "CREATE TABLE pets(name TEXT)");
  sqlite3_close(first);
  if (strcmp(argv[1], "refused") == 0) inner(0);
  if (strcmp(argv[1], "waits") == 0) inner(60);
  if (strcmp(argv[1], "locked") == 0) locked();
  if (strcmp(argv[1], "shapes") == 0) shapes();
  return 0;
}
