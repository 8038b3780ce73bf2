/* C25: two connections of one process share a cache, and with it table locks that no timeout waits for. */
#include "stage.h"

static sqlite3 *opened(const char *path, int shared) {
  sqlite3 *database = NULL;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | (shared ? SQLITE_OPEN_SHAREDCACHE : 0);
  if (sqlite3_open_v2(path, &database, flags, NULL) != SQLITE_OK) exit(1);
  sqlite3_busy_timeout(database, 60000);
  return database;
}

static void act(const char *role, const char *path, char **words) {
  (void)role;
  int shared = is(words[0], "shared");
  sqlite3 *one = opened(path, shared), *other = opened(path, shared);
  run(one, "PRAGMA journal_mode=WAL; CREATE TABLE cache(key TEXT); INSERT INTO cache VALUES ('a')");
  run(one, "BEGIN IMMEDIATE; UPDATE cache SET key = 'b'");
  run(other, "SELECT key FROM cache"); /* sees 'a', or is refused at once where the cache is shared */
  sqlite3_exec(one, "COMMIT", NULL, NULL, NULL);
  sqlite3_close(other);
  sqlite3_close(one);
}
