/* The real functions: the next ones in the search order, or a system call until those are known. */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

static int early_fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  return (int)syscall(SYS_fcntl, fd, command, argument);
}

static int early_nanosleep(const struct timespec *asked, struct timespec *left) {
  return (int)syscall(SYS_nanosleep, asked, left);
}

static int early_clock_nanosleep(clockid_t clock, int flags, const struct timespec *asked, struct timespec *left) {
  int before = errno;
  int error = syscall(SYS_clock_nanosleep, clock, flags, asked, left) == 0 ? 0 : errno;
  errno = before;
  return error;
}

static int early_usleep(useconds_t microseconds) {
  struct timespec asked = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
  return early_nanosleep(&asked, NULL);
}

static unsigned early_sleep(unsigned seconds) {
  struct timespec asked = {seconds, 0}, left = {0, 0};
  return early_nanosleep(&asked, &left) == 0 ? 0 : (unsigned)left.tv_sec + (left.tv_nsec > 0);
}

static int early_fsync(int fd) { return (int)syscall(SYS_fsync, fd); }
static int early_fdatasync(int fd) { return (int)syscall(SYS_fdatasync, fd); }

static ssize_t early_write(int fd, const void *bytes, size_t n) { return syscall(SYS_write, fd, bytes, n); }

static ssize_t early_pwrite(int fd, const void *bytes, size_t n, off_t offset) {
  return syscall(SYS_pwrite64, fd, bytes, n, offset);
}

static ssize_t early_writev(int fd, const struct iovec *parts, int n) { return syscall(SYS_writev, fd, parts, n); }

static ssize_t early_pwritev(int fd, const struct iovec *parts, int n, off_t offset) {
  return syscall(SYS_pwritev, fd, parts, n, offset, 0L);
}

static int early_ftruncate(int fd, off_t length) { return (int)syscall(SYS_ftruncate, fd, length); }
static int early_close(int fd) { return (int)syscall(SYS_close, fd); }
static int early_dup3(int old, int new, int flags) { return (int)syscall(SYS_dup3, old, new, flags); }

static int early_dup2(int old, int new) {
  if (old != new) return early_dup3(old, new, 0);
  return syscall(SYS_fcntl, old, F_GETFD) < 0 ? -1 : new; /* dup3 refuses what dup2 must allow: dup(2) */
}

static int early_close_range(unsigned first, unsigned last, int flags) {
  return (int)syscall(SYS_close_range, first, last, flags);
}

static void early_closefrom(int first) { (void)early_close_range((unsigned)(first < 0 ? 0 : first), ~0U, 0); }

static int early_unlinkat(int folder, const char *path, int flags) {
  return (int)syscall(SYS_unlinkat, folder, path, flags);
}

static int early_unlink(const char *path) { return early_unlinkat(AT_FDCWD, path, 0); }

static int early_remove(const char *path) {
  if (early_unlink(path) == 0) return 0;
  return errno == EISDIR ? early_unlinkat(AT_FDCWD, path, AT_REMOVEDIR) : -1;
}

static int early_renameat2(int folder, const char *path, int new_folder, const char *new_path, unsigned flags) {
  return (int)syscall(SYS_renameat2, folder, path, new_folder, new_path, flags);
}

static int early_renameat(int folder, const char *path, int new_folder, const char *new_path) {
  return early_renameat2(folder, path, new_folder, new_path, 0);
}

static int early_rename(const char *path, const char *new_path) {
  return early_renameat(AT_FDCWD, path, AT_FDCWD, new_path);
}

static int early_execve(const char *path, ls_strings arguments, ls_strings environment) {
  return (int)syscall(SYS_execve, path, arguments, environment);
}

static int early_execveat(int folder, const char *path, ls_strings arguments, ls_strings environment, int flags) {
  return (int)syscall(SYS_execveat, folder, path, arguments, environment, flags);
}

static int early_fexecve(int fd, ls_strings arguments, ls_strings environment) {
  return early_execveat(fd, "", arguments, environment, AT_EMPTY_PATH);
}

static pid_t early_bare_fork(void) { return (pid_t)syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L); }
static void early_exit(int status) { syscall(SYS_exit_group, status); }

/* These have no system call of their own: another library's constructor that runs before ours may need them. */
static int early_fclose(FILE *stream) {
  ls_real_find();
  return ls_real.fclose(stream);
}

static int early_execvpe(const char *file, ls_strings arguments, ls_strings environment) {
  ls_real_find();
  return ls_real.execvpe(file, arguments, environment);
}

static int early_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, ls_strings arguments, ls_strings environment) {
  ls_real_find();
  return ls_real.posix_spawn(pid, path, actions, attributes, arguments, environment);
}

static int early_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, ls_strings arguments, ls_strings environment) {
  ls_real_find();
  return ls_real.posix_spawnp(pid, file, actions, attributes, arguments, environment);
}

static pid_t early_fork(void) {
  ls_real_find();
  return ls_real.fork();
}

static void *early_dlopen(const char *path, int mode) {
  ls_real_find();
  return ls_real.dlopen(path, mode);
}

/* The system calls change one thread only, the C library's functions all: pthreads(7), "NPTL". */
static int early_setuid(uid_t user) {
  ls_real_find();
  return ls_real.setuid(user);
}

static int early_seteuid(uid_t user) {
  ls_real_find();
  return ls_real.seteuid(user);
}

static int early_setreuid(uid_t real, uid_t effective) {
  ls_real_find();
  return ls_real.setreuid(real, effective);
}

static int early_setresuid(uid_t real, uid_t effective, uid_t saved) {
  ls_real_find();
  return ls_real.setresuid(real, effective, saved);
}

static int early_chroot(const char *path) { return (int)syscall(SYS_chroot, path); }

struct ls_real ls_real = {
    .fcntl = early_fcntl,
    .fcntl64 = early_fcntl,
    .usleep = early_usleep,
    .nanosleep = early_nanosleep,
    .clock_nanosleep = early_clock_nanosleep,
    .sleep = early_sleep,
    .fsync = early_fsync,
    .fdatasync = early_fdatasync,
    .write = early_write,
    .pwrite = early_pwrite,
    .pwrite64 = early_pwrite,
    .writev = early_writev,
    .pwritev = early_pwritev,
    .pwritev64 = early_pwritev,
    .ftruncate = early_ftruncate,
    .ftruncate64 = early_ftruncate,
    .close = early_close,
    .dup2 = early_dup2,
    .dup3 = early_dup3,
    .close_range = early_close_range,
    .closefrom = early_closefrom,
    .fclose = early_fclose,
    .unlink = early_unlink,
    .unlinkat = early_unlinkat,
    .remove = early_remove,
    .rename = early_rename,
    .renameat = early_renameat,
    .renameat2 = early_renameat2,
    .execve = early_execve,
    .execvpe = early_execvpe,
    .fexecve = early_fexecve,
    .execveat = early_execveat,
    .posix_spawn = early_spawn,
    .posix_spawnp = early_spawnp,
    .fork = early_fork,
    .dlopen = early_dlopen,
    .setuid = early_setuid,
    .seteuid = early_seteuid,
    .setreuid = early_setreuid,
    .setresuid = early_setresuid,
    .chroot = early_chroot,
    ._Fork = early_bare_fork,
    ._exit = early_exit,
};

void ls_real_find(void) {
  /* A function pointer cannot be cast from dlsym's object pointer in ISO C: dlsym(3) copies it. */
#define LS_FIND(result, name, parameters)                                                                              \
  do {                                                                                                                 \
    void *found = dlsym(RTLD_NEXT, #name);                                                                             \
    if (found != NULL) memcpy(&ls_real.name, &found, sizeof found);                                                    \
  } while (0);
  LS_REAL_FUNCTIONS(LS_FIND)
#undef LS_FIND
}
