/* C18: a statement that is neither read to its end nor reset keeps its read lock. */
#include "stage.h"

static void look(sqlite3 *database, int all) {
  sqlite3_stmt *books = NULL;
  sqlite3_prepare_v2(database, "SELECT title FROM books", -1, &books, NULL);
  while (sqlite3_step(books) == SQLITE_ROW && all) {
  }
  if (all) sqlite3_reset(books);
  step();
  sqlite3_finalize(books);
}

static void act(const char *role, const char *path, char **words) {
  sqlite3 *database = open_database(path, 300);
  if (is(role, "create")) {
    run(database, "CREATE TABLE books(title TEXT); INSERT INTO books VALUES ('one'), ('two'), ('three')");
  } else if (is(role, "look")) {
    look(database, is(words[0], "all"));
  } else {
    run(database, "BEGIN IMMEDIATE; INSERT INTO books VALUES ('four')");
    if (run(database, "COMMIT") != SQLITE_OK) sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
  }
  sqlite3_close(database);
}
