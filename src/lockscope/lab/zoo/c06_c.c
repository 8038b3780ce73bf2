/* C06: the disk takes its time over one COMMIT. */
#include "stage.h"

static void act(const char *role, const char *path, char **words) {
  sqlite3 *database = open_database(path, 300);
  if (is(role, "create")) {
    run(database, "PRAGMA journal_mode=wal; CREATE TABLE photos(name TEXT)");
  } else if (is(role, "store")) {
    run(database, is(words[0], "FULL") ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    run(database, "INSERT INTO photos VALUES ('pier')"); /* the first of a log syncs its header */
    shut_door("sync", "");
    run(database, "INSERT INTO photos VALUES ('lake')");
    open_door();
    step();
  } else {
    run(database, "INSERT INTO photos VALUES ('wood')");
  }
  sqlite3_close(database);
}
