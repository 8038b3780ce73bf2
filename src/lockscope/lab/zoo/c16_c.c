/* C16: a log is recovered, slowly. */
#include "stage.h"

static void act(const char *role, const char *path, char **words) {
  (void)words;
  sqlite3 *database = open_database(path, 300);
  if (is(role, "write")) {
    run(database, "PRAGMA journal_mode=wal; CREATE TABLE notes(text TEXT)");
    step();
  } else if (is(role, "start")) {
    shut_door("read", "-wal");
    run(database, "SELECT count(*) FROM notes");
    open_door();
    step();
  } else {
    run(database, "SELECT count(*) FROM notes");
  }
  sqlite3_close(database);
}
