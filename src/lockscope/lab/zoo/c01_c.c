/* C01: a write transaction with a busy timeout, or with none. */
#include "stage.h"

static void act(const char *role, const char *path, char **words) {
  sqlite3 *database = open_database(path, is(role, "visit") ? atoi(words[0]) : 0);
  if (is(role, "create")) {
    run(database, "CREATE TABLE visits(page TEXT)");
  } else if (run(database, "BEGIN IMMEDIATE") == SQLITE_OK) {
    run(database, "INSERT INTO visits VALUES ('/home')");
    step();
    run(database, "COMMIT");
  }
  sqlite3_close(database);
}
