/* Files of databases that are unlinked, renamed or replaced: whoever has one open goes on with a file that nobody else
 * will ever open again, and its locks keep nobody out (sqlite.org/howtocorrupt.html, sections 2.5 and 4.1).
 *
 * A process may remove a database that it never opened (`rm`, a script that restores a backup), so a file is told by
 * its name as well. SQLite's own removals of its journals, which it makes with the database locked exclusively, are
 * left out: in a rollback journal that would be one for each transaction. */
#include "real.h"

#include "files.h"
#include "origin.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* What databases are usually called; one that this process has locked needs no name. */
static const char *const endings[] = {"-shm", "-wal", "-journal", ".db", ".db3", ".sqlite", ".sqlite3"};

/* Of one process; a program that makes and removes such files by the million must not fill the disk with them. */
enum { MOST = 65536 };

struct victim {
  struct stat status;
  bool recorded;
};

static bool has_ending(const char *path) {
  size_t n = strlen(path);
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    size_t ending = strlen(endings[i]);
    if (n > ending && memcmp(path + n - ending, endings[i], ending) == 0) return true;
  }
  return false;
}

/* What is about to lose its name; nothing in a program that neither locks databases nor names a file like one. */
static struct victim look(int folder, const char *path) {
  struct victim victim = {.recorded = false};
  if (ls_home->pid == 0 || path == NULL || (!ls_home->watching && !has_ending(path))) return victim;
  if (ls_home->watching && ls_removes_itself(path)) return victim;
  int before = errno;
  if (fstatat(folder, path, &victim.status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(victim.status.st_mode)) {
    victim.recorded = has_ending(path) || ls_file_of_inode(&victim.status) != NULL;
  }
  errno = before;
  return victim;
}

/* The path from the root, as far as it can be told without resolving links; its length, 0 where it cannot. */
static size_t absolute(int folder, const char *path, char *into, size_t room) {
  char link[64];
  ssize_t n = 0;
  if (path[0] != '/') {
    snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
    n = readlink(link, into, room);
    if (n <= 0) return 0;
    if ((size_t)n < room && into[n - 1] != '/') into[n++] = '/';
    while (path[0] == '.' && path[1] == '/') path += 2;
  }
  size_t more = strlen(path);
  if ((size_t)n + more >= room) return 0;
  memcpy(into + n, path, more + 1);
  return (size_t)n + more;
}

static uint32_t path_text(int folder, const char *path) {
  char whole[PATH_MAX];
  size_t n = path == NULL ? 0 : absolute(folder, path, whole, sizeof whole);
  return n == 0 ? 0 : ls_text(whole, n);
}

static bool too_many(void) {
  static unsigned told, counted_in;
  if (counted_in != ls_generation) told = 0;
  counted_in = ls_generation;
  if (told++ < MOST) return false;
  ls_lose();
  return true;
}

/* `other` is the new name, or the name of what took the place; NULL for none. `returns_to` tells whose code it was. */
static void tell(const struct victim *victim, uint8_t how, const void *returns_to, int folder, const char *path,
                 int other_folder, const char *other) {
  int before = errno;
  if (!victim->recorded || !ls_at_home() || too_many()) return;
  char whole[PATH_MAX];
  size_t n = absolute(folder, path, whole, sizeof whole);
  struct lockscope_record record = {
      .kind = LOCKSCOPE_REMOVE,
      .mode = how,
      .began_ns = ls_now(),
      .duration_ns = ls_origin(returns_to),
      .start = victim->status.st_nlink - (how != LOCKSCOPE_RENAMED),
      .length = path_text(other_folder, other),
      .file = n == 0 ? 0 : ls_file_met(&victim->status, whole, n),
  };
  uint32_t outer = ls_context;
  ls_context = ls_here();
  ls_record(&record);
  ls_context = outer;
  errno = before;
}

#define LS_UNLINK(name, parameters, folder, ...)                                                                       \
  LS_EXPORT int name parameters {                                                                                      \
    struct victim victim = look(folder, path);                                                                         \
    int result = ls_real.name(__VA_ARGS__);                                                                            \
    if (result == 0) tell(&victim, LOCKSCOPE_UNLINKED, __builtin_return_address(0), folder, path, 0, NULL);            \
    return result;                                                                                                     \
  }

LS_UNLINK(unlink, (const char *path), AT_FDCWD, path)
LS_UNLINK(unlinkat, (int folder, const char *path, int flags), folder, folder, path, flags)
LS_UNLINK(remove, (const char *path), AT_FDCWD, path)

#define LS_RENAME(name, parameters, ...)                                                                               \
  LS_EXPORT int name parameters {                                                                                      \
    struct victim moved = look(folder, path), replaced = look(new_folder, new_path);                                   \
    bool same = moved.recorded && replaced.recorded && moved.status.st_ino == replaced.status.st_ino;                  \
    int result = ls_real.name(__VA_ARGS__);                                                                            \
    if (result == 0 && !same) {                                                                                        \
      tell(&moved, LOCKSCOPE_RENAMED, __builtin_return_address(0), folder, path, new_folder, new_path);                \
      tell(&replaced, LOCKSCOPE_REPLACED, __builtin_return_address(0), new_folder, new_path, folder, path);            \
    }                                                                                                                  \
    return result;                                                                                                     \
  }

enum { folder = AT_FDCWD, new_folder = AT_FDCWD }; /* of rename, which has none */

LS_RENAME(rename, (const char *path, const char *new_path), path, new_path)
LS_RENAME(renameat, (int folder, const char *path, int new_folder, const char *new_path), folder, path, new_folder,
          new_path)
LS_RENAME(renameat2, (int folder, const char *path, int new_folder, const char *new_path, unsigned flags), folder, path,
          new_folder, new_path, flags)
