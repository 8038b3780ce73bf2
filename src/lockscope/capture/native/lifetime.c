/* A process's beginning, fork and end. */
#include "real.h"

#include "arguments.h"
#include "clock.h"
#include "environment.h"
#include "files.h"
#include "lifetime.h"
#include "sharing.h"
#include "sleeps.h"
#include "slow.h"
#include "traffic.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

enum { LONGEST_TEXT = 2048 };

static const char *folder; /* of the trace; NULL: this process is not traced */
static pid_t parent;       /* when this process began: that of a daemon is gone by the time it has something to tell */
static pid_t self;         /* in a forked child, until it settles, still its parent's */
static const char *note;   /* to be told with the process */
static bool exit_recorded;

size_t ls_read_proc(const char *path, char *into, size_t room) {
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : syscall(SYS_read, fd, into, room - 1);
  if (fd >= 0) syscall(SYS_close, fd);
  if (n < 0) n = 0;
  into[n] = '\0';
  return (size_t)n;
}

uint64_t ls_process_start(void) {
  char stat[1024];
  if (ls_read_proc("/proc/self/stat", stat, sizeof stat) == 0) return 0;
  /* The command in field 2 may itself hold spaces and parentheses: fields are counted from its last ")" (proc(5)). */
  const char *at = strrchr(stat, ')');
  for (int field = 2; at != NULL && field < 22; field++) at = strchr(at + 1, ' ');
  return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

static uint32_t command_line(void) {
  char line[LONGEST_TEXT], kept[LONGEST_TEXT];
  size_t n = ls_read_proc("/proc/self/cmdline", line, sizeof line);
  while (n > 0 && line[n - 1] == '\0') n--;
  if (!ls_keep_literals()) return ls_text(kept, ls_mask_arguments(line, n, kept, sizeof kept));
  for (size_t i = 0; i < n; i++) {
    if (line[i] == '\0') line[i] = ' ';
  }
  return ls_text(line, n);
}

static uint32_t link_target(const char *link) {
  char path[LONGEST_TEXT];
  ssize_t n = readlink(link, path, sizeof path);
  return n < 0 ? 0 : ls_text(path, (size_t)n);
}

static void record_process(void) {
  struct lockscope_record record = {
      .kind = LOCKSCOPE_PROCESS,
      .began_ns = ls_now(),
      .start = (uint64_t)parent,
      .length = command_line(),
      .file = link_target("/proc/self/cwd"),
      .context = link_target("/proc/self/exe"),
  };
  ls_record(&record);
}

void ls_note_later(const char *sentence) { note = sentence; }

static void record_note(void) {
  if (note == NULL) return;
  struct lockscope_record record = {
      .kind = LOCKSCOPE_NOTE,
      .began_ns = ls_now(),
      .length = ls_text(note, strlen(note)),
  };
  note = NULL;
  ls_record(&record);
}

static bool begin(void) {
  ls_clock_start();
  if (!ls_segment_open(folder)) return false;
  record_process();
  record_note();
  return true;
}

bool ls_begin(void) {
  struct ls_slow slow;
  if (__atomic_load_n(&ls_home->begun, __ATOMIC_ACQUIRE)) return true;
  if (!ls_active() || ls_is_blind() || !ls_at_home() || !ls_slow_enter(&slow)) return false;
  bool begun = ls_home->begun || begin();
  ls_slow_leave(&slow);
  return begun;
}

static void note_self(void) { __atomic_store_n(&self, (pid_t)syscall(SYS_getpid), __ATOMIC_RELAXED); }

static void settle(void) {
  exit_recorded = false;
  parent = self != 0 ? self : getppid(); /* who has forked may have ended already, and getppid would be somebody else */
  note_self();
  ls_segment_settle();
}

/* In the child of a fork: the parent's segment, files and numbers are not ours. */
static void settle_again(void) {
  int before = errno;
  ls_slow_reset();
  ls_segment_forget();
  ls_files_forget();
  ls_locks_here = false;
  ls_context = 0;
  settle();
  errno = before;
}

void ls_trace_share(uid_t user) {
  char room[PATH_MAX];
  if (folder == NULL || !ls_at_home()) return;
  ls_share_folder(folder, user);
  ls_segment_share(user);
  if (snprintf(room, sizeof room, "%s/" LOCKSCOPE_ROOM, folder) < (int)sizeof room) ls_share_file(room, user);
}

bool ls_revive(void) {
  if (folder == NULL) return false;
  settle_again();
  return ls_active();
}

static void record_exit(int status) {
  if (!ls_home->begun && !ls_segment_owes()) return;
  if (!ls_at_home() || __atomic_exchange_n(&exit_recorded, true, __ATOMIC_RELAXED)) return;
  ls_emit_all_writes();
  struct lockscope_record record = {
      .kind = LOCKSCOPE_EXIT,
      .began_ns = ls_now(),
      .start = (uint64_t)(status & 0xff),
  };
  ls_record(&record);
}

LS_EXPORT void _exit(int status) {
  record_exit(status);
  ls_real._exit(status);
  __builtin_unreachable();
}

LS_EXPORT void _Exit(int status) { _exit(status); }

static uint64_t fork_begins(void) { return ls_home->begun ? ls_now() : 0; }

/* What a process without a segment has started, tells by itself who its parent is. */
static void record_fork(uint64_t began_ns, pid_t child) {
  struct lockscope_record record = {
      .kind = LOCKSCOPE_FORK,
      .began_ns = began_ns,
      .duration_ns = began_ns == 0 ? 0 : ls_now() - began_ns,
      .start = (uint64_t)child,
  };
  if (child > 0 && began_ns != 0 && ls_at_home()) ls_record(&record);
}

/* The handlers of pthread_atfork are not told the child's pid, and the last child of another thread is not ours. */
LS_EXPORT pid_t fork(void) {
  uint64_t began_ns = fork_begins();
  pid_t child = ls_real.fork();
  record_fork(began_ns, child);
  return child;
}

/* The C library's fork without handlers: the child is told here. */
LS_EXPORT pid_t _Fork(void) {
  uint64_t began_ns = fork_begins();
  note_self();
  pid_t child = ls_real._Fork();
  if (child == 0 && folder != NULL) settle_again();
  record_fork(began_ns, child);
  return child;
}

static void at_exit(int status, void *unused) {
  (void)unused;
  record_exit(status);
}

__attribute__((constructor)) static void start(void) {
  int before = errno;
  ls_real_find();
  folder = ls_environment_read();
  if (folder != NULL) {
    settle();
    pthread_atfork(note_self, NULL, settle_again);
    on_exit(at_exit, NULL);
    if (ls_python_attach != NULL) ls_python_attach();
  }
  errno = before;
}
