/* C36: a program works on a database whose name somebody else takes away. */
#include "stage.h"

static void act(const char *role, const char *path, char **words) {
  (void)role;
  sqlite3 *database = open_database(path, 300);
  run(database, words[0]);
  step();
  run(database, "INSERT INTO events VALUES (2)");
  sqlite3_close(database);
}
