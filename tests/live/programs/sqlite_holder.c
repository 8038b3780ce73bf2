/* Runs statements through SQLite and stops within the last of them, at a system call on one of the
 * database's files: what SQLite holds at that very point stays held until the input ends.
 * usage: sqlite_holder DATABASE pread|pwrite|ftruncate|unlink|none SUFFIX SQL...
 * The last SQL may be "close". */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *stop_call, *stop_suffix;
static int is_armed;

static int ends_so(const char *path) {
  size_t length = strlen(path), end = strlen(stop_suffix);
  return length >= end && strcmp(path + length - end, stop_suffix) == 0;
}

static void hold(void) {
  is_armed = 0;
  puts("held");
  fflush(stdout);
  while (getchar() != EOF) continue;
}

static void at(const char *call, int file) {
  char link[64], path[4096];
  if (!is_armed || strcmp(call, stop_call) != 0) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return;
  path[length] = 0;
  if (ends_so(path)) hold();
}

static ssize_t my_pread(int file, void *to, size_t size, off_t offset) {
  at("pread", file);
  return pread(file, to, size, offset);
}

static ssize_t my_pwrite(int file, const void *from, size_t size, off_t offset) {
  at("pwrite", file);
  return pwrite(file, from, size, offset);
}

static int my_ftruncate(int file, off_t size) {
  at("ftruncate", file);
  return ftruncate(file, size);
}

static int my_unlink(const char *path) {
  if (is_armed && strcmp("unlink", stop_call) == 0 && ends_so(path)) hold();
  return unlink(path);
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  stop_call = argv[2];
  stop_suffix = argv[3];
  sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
  vfs->xSetSystemCall(vfs, "pread", (sqlite3_syscall_ptr)my_pread);
  vfs->xSetSystemCall(vfs, "pread64", (sqlite3_syscall_ptr)my_pread);
  vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)my_pwrite);
  vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)my_pwrite);
  vfs->xSetSystemCall(vfs, "ftruncate", (sqlite3_syscall_ptr)my_ftruncate);
  vfs->xSetSystemCall(vfs, "unlink", (sqlite3_syscall_ptr)my_unlink);
  sqlite3 *db;
  if (sqlite3_open(argv[1], &db)) return 1;
  for (int place = 4; place < argc; place++) {
    if (place == argc - 1) is_armed = 1;
    if (strcmp(argv[place], "close") == 0) {
      sqlite3_close(db);
      return is_armed;
    }
    if (sqlite3_exec(db, argv[place], NULL, NULL, NULL)) {
      fprintf(stderr, "%s: %s\n", argv[place], sqlite3_errmsg(db));
      return 1;
    }
  }
  if (strcmp(stop_call, "none") == 0)
    hold();
  else if (is_armed)
    return 1;
  sqlite3_close(db);
  return 0;
}
