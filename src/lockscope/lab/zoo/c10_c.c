/* C10: an index is made while others write. */
#include "stage.h"

/* Called every so many steps of the statement: the first time, the other program has its turn. */
static int pause_once(void *paused) {
  if (!(*(int *)paused)++) step();
  return 0;
}

static void act(const char *role, const char *path, char **words) {
  (void)words;
  sqlite3 *database = open_database(path, 300);
  if (is(role, "create")) {
    run(database, "CREATE TABLE log(line TEXT)");
    run(database,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO log SELECT i FROM n");
  } else if (is(role, "index")) {
    int paused = 0;
    sqlite3_progress_handler(database, 10000, pause_once, &paused);
    run(database, "CREATE INDEX by_line ON log(line)");
  } else {
    run(database, "INSERT INTO log VALUES ('new')");
  }
  sqlite3_close(database);
}
