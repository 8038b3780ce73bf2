/* C26: two databases, written in the order that the director names. */
#include "stage.h"

static void insert(sqlite3 *database, const char *into) {
  char sql[64];
  snprintf(sql, sizeof sql, "INSERT INTO %s.items VALUES (1)", into);
  run(database, sql);
}

static void act(const char *role, const char *path, char **words) {
  char attach[512];
  sqlite3 *database = open_database(path, 400);
  snprintf(attach, sizeof attach, "ATTACH '%s-archive' AS archive", path);
  run(database, attach);
  if (is(role, "create")) {
    run(database, "CREATE TABLE main.items(id INTEGER); CREATE TABLE archive.items(id INTEGER)");
  } else {
    run(database, "BEGIN");
    insert(database, words[0]);
    step();
    insert(database, words[1]);
    sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
  }
  sqlite3_close(database);
}
