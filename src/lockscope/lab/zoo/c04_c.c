/* C04: a reader is in the way of a COMMIT, whose failure nobody notices. */
#include "stage.h"

static void act(const char *role, const char *path, char **words) {
  sqlite3 *database = open_database(path, 300);
  if (is(role, "create")) {
    run(database, is(words[0], "wal") ? "PRAGMA journal_mode=wal" : "PRAGMA journal_mode=delete");
    run(database, "CREATE TABLE notes(text TEXT); INSERT INTO notes VALUES ('first'), ('second')");
  } else if (is(role, "browse")) {
    run(database, "BEGIN");
    run(database, "SELECT text FROM notes");
    step();
    run(database, "COMMIT");
  } else if (is(role, "note")) {
    run(database, "BEGIN IMMEDIATE; INSERT INTO notes VALUES ('third')");
    run(database, "COMMIT");
    step();
  } else {
    run(database, "SELECT text FROM notes");
  }
  sqlite3_close(database);
}
