/* C31: a program looks at its database's header beside SQLite, and loses its locks. */
#include "stage.h"

#include <fcntl.h>
#include <sys/stat.h>

static void act(const char *role, const char *path, char **words) {
  sqlite3 *database = open_database(path, 300);
  if (is(role, "create")) {
    run(database, "CREATE TABLE state(value INTEGER); INSERT INTO state VALUES (0)");
  } else {
    run(database, "BEGIN IMMEDIATE; UPDATE state SET value = value + 1");
    if (is(words[0], "open")) {
      close(open(path, O_RDONLY | O_CLOEXEC)); /* drops the write lock */
    } else {
      struct stat status;
      stat(path, &status);
    }
    step();
    run(database, "COMMIT");
  }
  sqlite3_close(database);
}
