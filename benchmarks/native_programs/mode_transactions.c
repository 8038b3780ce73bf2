/* mode_transactions DATABASE COUNT JOURNAL SYNCHRONOUS: that many small transactions, each begun with BEGIN IMMEDIATE,
 * in a mode of one's choice. Prints the nanoseconds that the loop took, without opening and closing. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PATIENCE_MS = 120000 };

static sqlite3 *database;

static void run(const char *sql) {
  if (sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK) return;
  fprintf(stderr, "mode_transactions: %s: %s\n", sql, sqlite3_errmsg(database));
  exit(3);
}

static void set(const char *pragma, const char *value) {
  char sql[128];
  snprintf(sql, sizeof sql, "PRAGMA %s=%s", pragma, value);
  run(sql);
}

static long long now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 5 || sqlite3_open(argv[1], &database) != SQLITE_OK) {
    fprintf(stderr, "usage: mode_transactions DATABASE COUNT JOURNAL SYNCHRONOUS\n");
    return 2;
  }
  sqlite3_busy_timeout(database, PATIENCE_MS);
  set("journal_mode", argv[3]);
  set("synchronous", argv[4]);
  run("CREATE TABLE IF NOT EXISTS numbers(id INTEGER PRIMARY KEY, value INTEGER)");
  long count = strtol(argv[2], NULL, 10);
  long long began_ns = now_ns();
  for (long i = 0; i < count; i++) {
    run("BEGIN IMMEDIATE");
    run("INSERT INTO numbers(value) VALUES (1)");
    run("COMMIT");
  }
  printf("%lld\n", now_ns() - began_ns);
  sqlite3_close(database);
  return 0;
}
