/* C07: a job is done in a transaction of 70 ms. */
#include "stage.h"

static void do_jobs(sqlite3 *database) {
  for (;;) {
    run(database, "BEGIN IMMEDIATE; INSERT INTO jobs VALUES ('done')");
    step();
    work(database, "SELECT count(*) FROM jobs", 70);
    step();
    run(database, "COMMIT");
    step();
  }
}

static void act(const char *role, const char *path, char **words) {
  (void)words;
  sqlite3 *database = open_database(path, is(role, "late") ? 350 : 5000);
  run(database, "PRAGMA synchronous=OFF");
  if (is(role, "create")) {
    run(database, "PRAGMA journal_mode=wal; CREATE TABLE jobs(name TEXT)");
  } else if (is(role, "work")) {
    step();
    do_jobs(database);
  } else if (is(role, "late")) {
    run(database, "SELECT count(*) FROM jobs");
    step();
    run(database, "INSERT INTO jobs VALUES ('late')");
    step();
  } else {
    work(database, "SELECT count(*) FROM jobs", 70);
    run(database, "INSERT INTO jobs VALUES ('done'), ('done'), ('done'), ('done'), ('done'), ('done')");
  }
  sqlite3_close(database);
}
