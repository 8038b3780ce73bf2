/* Waits for a write lock through SQLite's own busy handler, or just sleeps as long and for reasons of its own:
 * waiter DATABASE [sleep] */
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **words) {
  sqlite3 *database;
  if (count < 2 || sqlite3_open(words[1], &database) != SQLITE_OK) return 2;
  sqlite3_busy_timeout(database, 600000);
  sqlite3_exec(database, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
  puts("begun");
  fflush(stdout);
  while (count > 2) usleep(100000);
  if (sqlite3_exec(database, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) return 1;
  puts("granted");
  return sqlite3_close(database);
}
