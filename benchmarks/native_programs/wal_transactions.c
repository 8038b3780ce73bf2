/* wal_transactions DATABASE COUNT: that many small transactions in WAL mode with synchronous=OFF, the dearest work for
 * a recorder of locks. Prints the nanoseconds that the loop took, without opening and closing. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static sqlite3 *database;

static void stop(const char *what) {
  fprintf(stderr, "wal_transactions: %s: %s\n", what, sqlite3_errmsg(database));
  exit(3);
}

static void run(const char *sql) {
  if (sqlite3_exec(database, sql, NULL, NULL, NULL) != SQLITE_OK) stop(sql);
}

static long long now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void open_database(const char *path) {
  if (sqlite3_open(path, &database) != SQLITE_OK) stop(path);
  run("PRAGMA journal_mode=WAL");
  run("PRAGMA synchronous=OFF");
  run("PRAGMA wal_autocheckpoint=200"); /* pages: a long log would cost more than the transactions */
  run("CREATE TABLE IF NOT EXISTS pets(id INTEGER PRIMARY KEY, name TEXT, breed TEXT)");
  run("CREATE INDEX IF NOT EXISTS pets_by_name ON pets(name)");
  run("CREATE INDEX IF NOT EXISTS pets_by_breed ON pets(breed)");
}

static void insert_pet(long number) {
  char sql[128];
  snprintf(sql, sizeof sql, "INSERT INTO pets(name, breed) VALUES ('pet %ld', '%s')", number,
           number % 2 == 0 ? "dog" : "cat");
  run(sql);
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: wal_transactions DATABASE COUNT\n");
    return 2;
  }
  open_database(argv[1]);
  long count = strtol(argv[2], NULL, 10);
  long long began_ns = now_ns();
  for (long i = 0; i < count; i++) insert_pet(i);
  printf("%lld\n", now_ns() - began_ns);
  sqlite3_close(database);
  return 0;
}
