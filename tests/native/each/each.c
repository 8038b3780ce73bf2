/* each FUNCTION FOLDER: one call of one function that the recorder wraps, on a database that is locked. Prints what it
 * returned and left in errno, so that a run with the recorder can be compared with a run without it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
pid_t _Fork(void); /* glibc 2.34 */

static int fd;
static const char *self;
static struct iovec part = {"ab", 2};
static const struct timespec brief = {0, 1000};
static char *const again[] = {"each", "done", NULL};

static int fcntl_lock(void) {
  struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000001, .l_len = 1};
  return fcntl(fd, F_SETLK, &range);
}

static int fcntl64_lock(void) {
  struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000001, .l_len = 1};
  return fcntl64(fd, F_SETLK, &range);
}

static int other(const char *path) { return open(path, O_RDWR | O_CREAT, 0666); }

static int wait_for(pid_t child) {
  int status = -1;
  return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

static int forked(pid_t child) {
  if (child == 0) _exit(fcntl_lock());
  return wait_for(child);
}

static int spawned(int (*spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                                char *const[], char *const[])) {
  pid_t child = 0;
  return spawn(&child, self, NULL, NULL, again, environ) == 0 ? wait_for(child) : -1;
}

static sqlite3 *opened(void) {
  sqlite3 *database = NULL;
  if (sqlite3_open("b.db", &database) != SQLITE_OK) exit(99);
  return database;
}

static const char SQL[] = "CREATE TABLE t(x)";
static const char WIDE[] = "C\0R\0E\0A\0T\0E\0 \0T\0A\0B\0L\0E\0 \0t\0(\0x\0)\0\0";

/* What a statement returns that `PREPARE` has made into `statement` of `database`, and its end. */
#define PREPARED(PREPARE)                                                                                              \
  __extension__({                                                                                                      \
    sqlite3 *database = opened();                                                                                      \
    sqlite3_stmt *statement = NULL;                                                                                    \
    const void *rest = NULL;                                                                                           \
    int result = PREPARE;                                                                                              \
    result = result * 1000 + sqlite3_step(statement);                                                                  \
    result = result * 10 + sqlite3_reset(statement);                                                                   \
    result = result * 10 + sqlite3_finalize(statement);                                                                \
    (void)rest;                                                                                                        \
    result * 10 + sqlite3_close(database);                                                                             \
  })
#define TAIL (const char **)&rest

#define EACH(X)                                                                                                        \
  X(fcntl, fcntl_lock())                                                                                               \
  X(fcntl64, fcntl64_lock())                                                                                           \
  X(usleep, usleep(1))                                                                                                 \
  X(nanosleep, nanosleep(&brief, NULL))                                                                                \
  X(clock_nanosleep, clock_nanosleep(CLOCK_MONOTONIC, 0, &brief, NULL))                                                \
  X(sleep, (int)sleep(0))                                                                                              \
  X(fsync, fsync(fd))                                                                                                  \
  X(fdatasync, fdatasync(fd))                                                                                          \
  X(write, write(fd, "x", 1))                                                                                          \
  X(pwrite, pwrite(fd, "x", 1, 3))                                                                                     \
  X(pwrite64, pwrite64(fd, "x", 1, 3))                                                                                 \
  X(writev, writev(fd, &part, 1))                                                                                      \
  X(pwritev, pwritev(fd, &part, 1, 3))                                                                                 \
  X(pwritev64, pwritev64(fd, &part, 1, 3))                                                                             \
  X(ftruncate, ftruncate(fd, 10))                                                                                      \
  X(ftruncate64, ftruncate64(fd, 10))                                                                                  \
  X(close, close(fd))                                                                                                  \
  X(dup2, dup2(other("plain"), fd) == fd)                                                                              \
  X(dup3, dup3(other("plain"), fd, 0) == fd)                                                                           \
  X(close_range, close_range((unsigned)fd, (unsigned)fd, 0))                                                           \
  X(closefrom, (closefrom(fd), 0))                                                                                     \
  X(fclose, fclose(fdopen(fd, "r+")))                                                                                  \
  X(unlink, unlink("a.db"))                                                                                            \
  X(unlinkat, unlinkat(AT_FDCWD, "a.db", 0))                                                                           \
  X(remove, remove("a.db"))                                                                                            \
  X(rename, rename("a.db", "b.db"))                                                                                    \
  X(renameat, renameat(AT_FDCWD, "a.db", AT_FDCWD, "b.db"))                                                            \
  X(renameat2, renameat2(AT_FDCWD, "a.db", AT_FDCWD, "b.db", RENAME_NOREPLACE))                                        \
  X(execve, execve(self, again, environ))                                                                              \
  X(execvpe, execvpe(self, again, environ))                                                                            \
  X(execv, execv(self, again))                                                                                         \
  X(execvp, execvp(self, again))                                                                                       \
  X(execl, execl(self, "each", "done", NULL))                                                                          \
  X(execlp, execlp(self, "each", "done", NULL))                                                                        \
  X(execle, execle(self, "each", "done", NULL, environ))                                                               \
  X(fexecve, fexecve(open(self, O_RDONLY | O_CLOEXEC), again, environ))                                                \
  X(execveat, execveat(AT_FDCWD, self, again, environ, 0))                                                             \
  X(posix_spawn, spawned(posix_spawn))                                                                                 \
  X(posix_spawnp, spawned(posix_spawnp))                                                                               \
  X(fork, forked(fork()))                                                                                              \
  X(_Fork, forked(_Fork()))                                                                                            \
  X(_exit, (_exit(5), 0))                                                                                              \
  X(_Exit, (_Exit(5), 0))                                                                                              \
  X(setuid, setuid(geteuid()))                                                                                         \
  X(seteuid, seteuid(geteuid()))                                                                                       \
  X(setreuid, setreuid((uid_t) - 1, geteuid()))                                                                        \
  X(setresuid, setresuid((uid_t) - 1, geteuid(), (uid_t) - 1))                                                         \
  X(chroot, chroot("/") == 0 || errno == EPERM)                                                                        \
  X(dlopen, dlopen("libsqlite3.so.0", RTLD_NOW) != NULL)                                                               \
  X(dlclose, dlclose(dlopen("libsqlite3.so.0", RTLD_NOW)))                                                             \
  X(sqlite3_exec, sqlite3_exec(opened(), SQL, NULL, NULL, NULL))                                                       \
  X(sqlite3_prepare, PREPARED(sqlite3_prepare(database, SQL, -1, &statement, TAIL)))                                   \
  X(sqlite3_prepare_v2, PREPARED(sqlite3_prepare_v2(database, SQL, -1, &statement, TAIL)))                             \
  X(sqlite3_prepare_v3, PREPARED(sqlite3_prepare_v3(database, SQL, -1, 0, &statement, TAIL)))                          \
  X(sqlite3_prepare16, PREPARED(sqlite3_prepare16(database, WIDE, -1, &statement, &rest)))                             \
  X(sqlite3_prepare16_v2, PREPARED(sqlite3_prepare16_v2(database, WIDE, -1, &statement, &rest)))                       \
  X(sqlite3_prepare16_v3, PREPARED(sqlite3_prepare16_v3(database, WIDE, -1, 0, &statement, &rest)))                    \
  X(sqlite3_step, PREPARED(sqlite3_prepare_v2(database, SQL, -1, &statement, NULL)))                                   \
  X(sqlite3_reset, PREPARED(sqlite3_prepare_v2(database, SQL, -1, &statement, NULL)))                                  \
  X(sqlite3_finalize, PREPARED(sqlite3_prepare_v2(database, SQL, -1, &statement, NULL)))                               \
  X(sqlite3_close, sqlite3_close(opened()))                                                                            \
  X(sqlite3_close_v2, sqlite3_close_v2(opened()))

#define FUNCTION(name, call)                                                                                           \
  static long call_##name(void) { return (long)(call); }
EACH(FUNCTION)

static const struct {
  const char *name;
  long (*call)(void);
} table[] = {
#define ENTRY(name, call) {#name, call_##name},
    EACH(ENTRY)};

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "done") == 0) return puts("done") < 0;
  self = argv[0];
  if (argc != 3 || chdir(argv[2]) != 0) return 99;
  fd = other("a.db");
  struct flock range = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0x40000002, .l_len = 510};
  if (fcntl(fd, F_SETLK, &range) != 0) return 99;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (strcmp(table[i].name, argv[1]) != 0) continue;
    errno = 0;
    long result = table[i].call();
    printf("%ld, errno %d\n", result, errno);
    return 0;
  }
  fprintf(stderr, "nothing here calls %s\n", argv[1]);
  return 98;
}
