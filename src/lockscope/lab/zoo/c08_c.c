/* C08: lines are loaded in transactions of 15 ms, without a pause between two. */
#include "stage.h"

static void load(sqlite3 *database) {
  for (;;) {
    run(database, "BEGIN IMMEDIATE; INSERT INTO lines VALUES ('loaded')");
    step();
    work(database, "SELECT count(*) FROM lines", 15);
    step();
    run(database, "COMMIT");
    step();
  }
}

static void act(const char *role, const char *path, char **words) {
  (void)words;
  sqlite3 *database = open_database(path, 300);
  run(database, "PRAGMA synchronous=OFF");
  if (is(role, "create")) {
    run(database, "PRAGMA journal_mode=wal; CREATE TABLE lines(text TEXT)");
  } else if (is(role, "load")) {
    load(database);
  } else {
    run(database, "SELECT count(*) FROM lines");
    step();
    run(database, "INSERT INTO lines VALUES ('typed')");
    step();
  }
  sqlite3_close(database);
}
