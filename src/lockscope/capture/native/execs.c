/* exec and spawn: recorded, and the new program is traced as well.
 *
 * A vfork child runs this in its parent's memory: everything is on the stack, and nothing is recorded there. */
#include "real.h"

#include "environment.h"
#include "lifetime.h"
#include "traffic.h"

#include <alloca.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

extern char **environ;

/* `environment`, completed on the stack of the function that uses this. */
#define LS_COMPLETED(environment)                                                                                      \
  __extension__({                                                                                                      \
    size_t room = ls_environment_room(environment);                                                                    \
    room == 0 ? (environment) : ls_environment_fill(environment, alloca(room));                                        \
  })

static void record_exec(uint64_t began_ns, uint32_t path, int error) {
  struct lockscope_record record = {
      .kind = LOCKSCOPE_EXEC,
      .began_ns = began_ns,
      .length = path,
      .error = (uint16_t)error,
  };
  ls_record(&record);
}

struct departure {
  uint64_t began_ns;
  uint32_t path; /* text */
  bool recorded;
};

static struct departure depart(const char *path) {
  struct departure departure = {0, 0, ls_home->begun && ls_at_home()};
  if (!departure.recorded) return departure;
  ls_emit_all_writes();
  departure.began_ns = ls_now();
  departure.path = path == NULL ? 0 : ls_text(path, strlen(path));
  record_exec(departure.began_ns, departure.path, 0);
  return departure;
}

/* An exec that returns has failed; errno stays what it left. */
static int stay(const struct departure *departure, int result) {
  if (departure->recorded) record_exec(departure->began_ns, departure->path, errno);
  return result;
}

LS_EXPORT int execve(const char *path, char *const arguments[], char *const environment[]) {
  ls_strings completed = LS_COMPLETED(environment);
  struct departure departure = depart(path);
  return stay(&departure, ls_real.execve(path, arguments, completed));
}

LS_EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[]) {
  ls_strings completed = LS_COMPLETED(environment);
  struct departure departure = depart(file);
  return stay(&departure, ls_real.execvpe(file, arguments, completed));
}

LS_EXPORT int execv(const char *path, char *const arguments[]) { return execve(path, arguments, environ); }
LS_EXPORT int execvp(const char *file, char *const arguments[]) { return execvpe(file, arguments, environ); }

/* Count the arguments that follow `first`, NULL not counted. */
static size_t count(const char *first, va_list arguments) {
  size_t n = 0;
  for (const char *argument = first; argument != NULL; argument = va_arg(arguments, const char *)) n++;
  return n;
}

static void collect(char **into, size_t n, const char *first, va_list arguments) {
  into[0] = (char *)(uintptr_t)first;
  for (size_t i = 1; i <= n; i++) into[i] = va_arg(arguments, char *);
}

/* The variable arguments, NULL included, as an array on the caller's stack. */
#define LS_COLLECT(array, first)                                                                                       \
  va_list listed;                                                                                                      \
  va_start(listed, first);                                                                                             \
  size_t length = count(first, listed);                                                                                \
  va_end(listed);                                                                                                      \
  char **array = alloca((length + 1) * sizeof(char *));                                                                \
  va_start(listed, first);                                                                                             \
  collect(array, length, first, listed)

LS_EXPORT int execl(const char *path, const char *first, ...) {
  LS_COLLECT(arguments, first);
  va_end(listed);
  return execve(path, arguments, environ);
}

LS_EXPORT int execlp(const char *file, const char *first, ...) {
  LS_COLLECT(arguments, first);
  va_end(listed);
  return execvpe(file, arguments, environ);
}

LS_EXPORT int execle(const char *path, const char *first, ...) {
  LS_COLLECT(arguments, first);
  ls_strings environment = va_arg(listed, ls_strings);
  va_end(listed);
  return execve(path, arguments, environment);
}

/* The path behind a descriptor and a path that may be relative to it. */
static const char *path_behind(int fd, const char *path, char *room, size_t size) {
  char link[32];
  int before = errno;
  if (path != NULL && path[0] != '\0') return path;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, room, size - 1);
  room[n < 0 ? 0 : n] = '\0';
  errno = before;
  return room;
}

LS_EXPORT int fexecve(int fd, char *const arguments[], char *const environment[]) {
  char room[1024];
  ls_strings completed = LS_COMPLETED(environment);
  struct departure departure = depart(path_behind(fd, NULL, room, sizeof room));
  return stay(&departure, ls_real.fexecve(fd, arguments, completed));
}

LS_EXPORT int execveat(int folder, const char *path, char *const arguments[], char *const environment[], int flags) {
  char room[1024];
  ls_strings completed = LS_COMPLETED(environment);
  struct departure departure = depart(path_behind(folder, path, room, sizeof room));
  return stay(&departure, ls_real.execveat(folder, path, arguments, completed, flags));
}

static int spawned(uint64_t began_ns, int error, pid_t child) {
  struct lockscope_record record = {
      .kind = LOCKSCOPE_FORK,
      .began_ns = began_ns,
      .duration_ns = began_ns == 0 ? 0 : ls_now() - began_ns,
      .start = (uint64_t)child,
  };
  if (error == 0 && began_ns != 0 && ls_at_home()) ls_record(&record);
  return error;
}

#define LS_SPAWN(name)                                                                                                 \
  LS_EXPORT int name(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,                          \
                     const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]) {        \
    pid_t child = 0;                                                                                                   \
    ls_strings completed = LS_COMPLETED(environment);                                                                  \
    uint64_t began_ns = ls_home->begun ? ls_now() : 0;                                                                 \
    int error = ls_real.name(&child, path, actions, attributes, arguments, completed);                                 \
    if (pid != NULL && error == 0) *pid = child;                                                                       \
    return spawned(began_ns, error, child);                                                                            \
  }

LS_SPAWN(posix_spawn)
LS_SPAWN(posix_spawnp)
