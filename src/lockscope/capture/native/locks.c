/* fcntl: every lock call on the file of a database is recorded. SQLite of glibc 2.28 and newer calls fcntl64, the
 * SQLite in a manylinux wheel calls fcntl. */
#include "real.h"

#include "files.h"
#include "lifetime.h"
#include "locks.h"
#include "sleeps.h"
#include "traffic.h"

#include <errno.h>

typedef int fcntl_function(int, int, ...);

__thread unsigned ls_lock_calls;

static uint8_t kind_of(int command) {
  switch (command) {
    case F_SETLK:
    case F_OFD_SETLK: return LOCKSCOPE_LOCK;
    case F_SETLKW:
    case F_OFD_SETLKW: return LOCKSCOPE_LOCK_WAIT;
    case F_GETLK:
    case F_OFD_GETLK: return LOCKSCOPE_LOCK_TEST;
    default: return 0;
  }
}

static uint8_t mode_of(short type) {
  return type == F_UNLCK ? LOCKSCOPE_UNLOCK : type == F_RDLCK ? LOCKSCOPE_SHARED : LOCKSCOPE_EXCLUSIVE;
}

static bool by_description(int command) {
  return command == F_OFD_SETLK || command == F_OFD_SETLKW || command == F_OFD_GETLK;
}

/* As asked for: a call with F_GETLK overwrites the range. */
static struct lockscope_record asked(uint8_t kind, const struct ls_file *file, const struct flock *range) {
  int64_t start = range->l_start, length = range->l_len;
  if (length < 0) start += length, length = -length;
  return (struct lockscope_record){
      .kind = kind,
      .mode = mode_of(range->l_type),
      .file = file->number,
      .start = (uint64_t)start,
      .length = length < UINT32_MAX ? (uint32_t)length : UINT32_MAX,
  };
}

/* EXCLUSIVE in os_unix.c: the SHARED bytes, locked for writing. */
static void note_exclusive(struct ls_file *file, const struct lockscope_record *record) {
  const uint64_t shared_first = 0x40000002;
  bool whole = record->start == 0 && record->length == 0;
  if (record->start != shared_first && !whole) return;
  bool exclusive = (record->mode & LOCKSCOPE_EXCLUSIVE) != 0;
  if (file->exclusive != exclusive) file->exclusive = exclusive;
}

static inline struct ls_file *locked_file(int fd, const struct flock *range) {
  if (!ls_alive()) return NULL;
  uint16_t class = ls_class(fd);
  return class >= LS_FIRST_FILE ? ls_file_of_class(class) : ls_file_to_lock(fd, range);
}

static inline int lock(fcntl_function *real, int fd, int command, uint8_t kind, struct flock *range) {
  struct ls_file *file = locked_file(fd, range);
  if (file == NULL) return real(fd, command, range);
  struct lockscope_record record = asked(kind, file, range);
  if (by_description(command)) record.mode |= LOCKSCOPE_BY_DESCRIPTION;
  ls_locks_here = true;
  ls_lock_calls++;
  record.began_ns = ls_now();
  int result = real(fd, command, range);
  record.duration_ns = ls_now() - record.began_ns;
  if (result != 0) {
    record.error = (uint16_t)errno;
  } else if (kind == LOCKSCOPE_LOCK_TEST) {
    record.error = range->l_type == F_UNLCK ? 0 : EAGAIN;
  } else {
    ls_note_locking(fd);
    note_exclusive(file, &record);
    if (ls_has_writes(file)) ls_emit_writes(file);
  }
  ls_record_now(&record);
  return result;
}

/* The argument may be an int, a pointer or absent: it is passed on as it lies in its register (fcntl(2)). It lies where
 * that of a function with three parameters would, on all processors that are supported, and such a function does not
 * begin by storing all registers that an argument may be in. */
#define LS_FCNTL(name)                                                                                                 \
  LS_EXPORT int ls_##name(int fd, int command, void *argument) __asm__(#name);                                         \
  int ls_##name(int fd, int command, void *argument) {                                                                 \
    uint8_t kind = kind_of(command);                                                                                   \
    if (kind == 0 || argument == NULL) return ls_real.name(fd, command, argument);                                     \
    return lock(ls_real.name, fd, command, kind, argument);                                                            \
  }

LS_FCNTL(fcntl)
LS_FCNTL(fcntl64)
