/* C30: a child process writes on the connection of its parent. */
#include "stage.h"

#include <sys/wait.h>

static void act(const char *role, const char *path, char **words) {
  sqlite3 *database = open_database(path, 300);
  if (is(role, "create")) {
    run(database, "CREATE TABLE visits(page TEXT); INSERT INTO visits VALUES ('one'), ('two')");
    sqlite3_close(database);
    return;
  }
  int inherited = is(words[0], "inherited");
  sqlite3_stmt *visits = NULL;
  sqlite3_prepare_v2(database, "SELECT page FROM visits", -1, &visits, NULL);
  if (inherited) sqlite3_step(visits); /* and goes on reading while its child writes */
  pid_t child = fork();
  if (child == 0) {
    if (!inherited) database = open_database(path, 300);
    sqlite3_exec(database, "INSERT INTO visits VALUES ('three')", NULL, NULL, NULL);
    _exit(0);
  }
  waitpid(child, NULL, 0);
  sqlite3_finalize(visits);
  sqlite3_close(database);
}
