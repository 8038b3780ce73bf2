/* C28: a program that is stopped inside its transaction, or after it. */
#include "stage.h"

static void act(const char *role, const char *path, char **words) {
  (void)words;
  sqlite3 *database = open_database(path, 800);
  if (is(role, "create")) {
    run(database, "CREATE TABLE jobs(name TEXT)");
  } else if (is(role, "work")) {
    run(database, "BEGIN IMMEDIATE; INSERT INTO jobs VALUES ('long')");
    step();
    run(database, "COMMIT");
    step();
  } else {
    run(database, "INSERT INTO jobs VALUES ('short')");
  }
  sqlite3_close(database);
}
