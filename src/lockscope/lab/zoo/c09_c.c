/* C09: a busy handler sleeps a whole second, as SQLite's own does where it was built without usleep. */
#include "stage.h"

static int told;

static int sleep_so_long(void *milliseconds, int tries) {
  (void)tries;
  if (!told++) step();
  usleep((useconds_t)(*(int *)milliseconds) * 1000);
  return 1;
}

static void act(const char *role, const char *path, char **words) {
  sqlite3 *database = open_database(path, 5000);
  if (is(role, "create")) {
    run(database, "CREATE TABLE rides(name TEXT)");
  } else if (is(role, "hold")) {
    run(database, "BEGIN IMMEDIATE; INSERT INTO rides VALUES ('up')");
    step();
    run(database, "COMMIT");
  } else {
    int milliseconds = is(words[0], "a second") ? 1000 : 1;
    sqlite3_busy_handler(database, sleep_so_long, &milliseconds);
    run(database, "INSERT INTO rides VALUES ('down')");
  }
  sqlite3_close(database);
}
