/* C12: a deposit is read, reckoned and written in one transaction. */
#include "stage.h"

static void act(const char *role, const char *path, char **words) {
  sqlite3 *database = open_database(path, 60000);
  if (is(role, "create")) {
    run(database,
        "CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance INTEGER);"
        "INSERT INTO accounts VALUES (1, 100)");
  } else {
    run(database, words[0]);
    run(database, "SELECT balance FROM accounts WHERE id = 1");
    step();
    int code = run(database, "UPDATE accounts SET balance = 110 WHERE id = 1");
    if (code == SQLITE_OK) step();
    sqlite3_exec(database, code == SQLITE_OK ? "COMMIT" : "ROLLBACK", NULL, NULL, NULL);
  }
  sqlite3_close(database);
}
