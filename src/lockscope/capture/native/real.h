/* The functions that the program would have reached without us.
 *
 * Include this before any other header: it undoes two settings of a distribution's compiler flags. */
#ifndef LOCKSCOPE_REAL_H
#define LOCKSCOPE_REAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
/* With 64 the C library's headers rename fcntl to fcntl64, and the library would define the same symbol twice. */
#undef _FILE_OFFSET_BITS
/* With fortification some functions are inline already and cannot be defined again. */
#undef _FORTIFY_SOURCE

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "the recorder knows 64-bit systems only");

#define LS_EXPORT __attribute__((visibility("default")))

/* What follows `envp` in every exec and spawn; the C library declares them with varying qualifiers. */
typedef char *const *ls_strings;

/* X(type of the result, name, parameters) */
#define LS_REAL_FUNCTIONS(X)                                                                                           \
  X(int, fcntl, (int, int, ...))                                                                                       \
  X(int, fcntl64, (int, int, ...))                                                                                     \
  X(int, usleep, (useconds_t))                                                                                         \
  X(int, nanosleep, (const struct timespec *, struct timespec *))                                                      \
  X(int, clock_nanosleep, (clockid_t, int, const struct timespec *, struct timespec *))                                \
  X(unsigned, sleep, (unsigned))                                                                                       \
  X(int, fsync, (int))                                                                                                 \
  X(int, fdatasync, (int))                                                                                             \
  X(ssize_t, write, (int, const void *, size_t))                                                                       \
  X(ssize_t, pwrite, (int, const void *, size_t, off_t))                                                               \
  X(ssize_t, pwrite64, (int, const void *, size_t, off64_t))                                                           \
  X(ssize_t, writev, (int, const struct iovec *, int))                                                                 \
  X(ssize_t, pwritev, (int, const struct iovec *, int, off_t))                                                         \
  X(ssize_t, pwritev64, (int, const struct iovec *, int, off64_t))                                                     \
  X(int, ftruncate, (int, off_t))                                                                                      \
  X(int, ftruncate64, (int, off64_t))                                                                                  \
  X(int, close, (int))                                                                                                 \
  X(int, dup2, (int, int))                                                                                             \
  X(int, dup3, (int, int, int))                                                                                        \
  X(int, close_range, (unsigned, unsigned, int))                                                                       \
  X(void, closefrom, (int))                                                                                            \
  X(int, fclose, (FILE *))                                                                                             \
  X(int, unlink, (const char *))                                                                                       \
  X(int, unlinkat, (int, const char *, int))                                                                           \
  X(int, remove, (const char *))                                                                                       \
  X(int, rename, (const char *, const char *))                                                                         \
  X(int, renameat, (int, const char *, int, const char *))                                                             \
  X(int, renameat2, (int, const char *, int, const char *, unsigned))                                                  \
  X(int, execve, (const char *, ls_strings, ls_strings))                                                               \
  X(int, execvpe, (const char *, ls_strings, ls_strings))                                                              \
  X(int, fexecve, (int, ls_strings, ls_strings))                                                                       \
  X(int, execveat, (int, const char *, ls_strings, ls_strings, int))                                                   \
  X(int, posix_spawn,                                                                                                  \
    (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, ls_strings, ls_strings))    \
  X(int, posix_spawnp,                                                                                                 \
    (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, ls_strings, ls_strings))    \
  X(pid_t, fork, (void))                                                                                               \
  X(void *, dlopen, (const char *, int))                                                                               \
  X(int, setuid, (uid_t))                                                                                              \
  X(int, seteuid, (uid_t))                                                                                             \
  X(int, setreuid, (uid_t, uid_t))                                                                                     \
  X(int, setresuid, (uid_t, uid_t, uid_t))                                                                             \
  X(int, chroot, (const char *))                                                                                       \
  X(pid_t, _Fork, (void))                                                                                              \
  X(void, _exit, (int))

struct ls_real {
#define LS_MEMBER(result, name, parameters) result(*name) parameters;
  LS_REAL_FUNCTIONS(LS_MEMBER)
#undef LS_MEMBER
};

/* Begins with functions that make the system call themselves, so that a call which arrives before our constructor is
 * served without dlsym, whose malloc may be the very caller. */
extern struct ls_real ls_real;

/* Look the functions up, once; one that this C library lacks stays a system call. */
void ls_real_find(void);

#endif
