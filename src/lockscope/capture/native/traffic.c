/* Writes and syncs: wrapped, and added up for each file. */
#include "real.h"

#include "traffic.h"

#include <errno.h>
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
#include <sys/single_threaded.h>
#endif

/* Locked additions would cost a process with one thread more than all else that is done here for a write. */
static inline void add(uint64_t *sum, uint64_t n) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
  if (__libc_single_threaded) {
    __atomic_store_n(sum, __atomic_load_n(sum, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
    return;
  }
#endif
  __atomic_fetch_add(sum, n, __ATOMIC_RELAXED);
}

/* Only the first write is timed: two readings of the clock for each would cost as much as all else of a transaction. */
static void note_first(struct ls_file *file) {
  uint64_t none = 0;
  if (__atomic_load_n(&file->first_ns, __ATOMIC_RELAXED) != 0) return;
  __atomic_compare_exchange_n(&file->first_ns, &none, ls_now(), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static void add_write(struct ls_file *file, ssize_t result) {
  if (result > 0) add(&file->bytes, (uint64_t)result);
  add(&file->calls, 1);
  __atomic_store_n(&file->main->written, true, __ATOMIC_RELEASE);
}

static void emit(struct ls_file *file) {
  uint64_t calls = file == NULL ? 0 : __atomic_exchange_n(&file->calls, 0, __ATOMIC_ACQUIRE);
  if (calls == 0) return;
  uint64_t bytes = __atomic_exchange_n(&file->bytes, 0, __ATOMIC_RELAXED);
  uint64_t first_ns = __atomic_exchange_n(&file->first_ns, 0, __ATOMIC_RELAXED);
  struct lockscope_record record = {
      .kind = LOCKSCOPE_WRITES,
      .began_ns = first_ns != 0 ? first_ns : ls_now(), /* 0: another thread's record has just taken it along */
      .start = calls,
      .length = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX,
      .file = file->number,
  };
  ls_record(&record);
}

void ls_emit_writes(struct ls_file *file) {
  struct ls_file *owner = file->main;
  if (!__atomic_exchange_n(&owner->written, false, __ATOMIC_ACQUIRE)) return;
  emit(owner);
  for (int which = 0; which < LS_COMPANIONS; which++) emit(owner->companions[which]);
}

void ls_emit_all_writes(void) {
  for (int i = 0; i < LS_FILES; i++) {
    if (ls_files[i].number == 0) break;
    emit(&ls_files[i]);
  }
}

/* Until this process has locked a database, and for descriptors of anything else, a wrapper adds one test. */
static inline struct ls_file *written_file(int fd) {
  if (!ls_home->watching || ls_class(fd) == LS_FOREIGN) return NULL;
  return ls_file_to_write(fd);
}

#define LS_WRITE(result_type, name, parameters, ...)                                                                   \
  LS_EXPORT result_type name parameters {                                                                              \
    struct ls_file *file = written_file(fd);                                                                           \
    if (file == NULL) return ls_real.name(__VA_ARGS__);                                                                \
    note_first(file);                                                                                                  \
    result_type result = ls_real.name(__VA_ARGS__);                                                                    \
    add_write(file, result);                                                                                           \
    return result;                                                                                                     \
  }

LS_WRITE(ssize_t, write, (int fd, const void *bytes, size_t n), fd, bytes, n)
LS_WRITE(ssize_t, pwrite, (int fd, const void *bytes, size_t n, off_t offset), fd, bytes, n, offset)
LS_WRITE(ssize_t, pwrite64, (int fd, const void *bytes, size_t n, off64_t offset), fd, bytes, n, offset)
LS_WRITE(ssize_t, writev, (int fd, const struct iovec *parts, int n), fd, parts, n)
LS_WRITE(ssize_t, pwritev, (int fd, const struct iovec *parts, int n, off_t offset), fd, parts, n, offset)
LS_WRITE(ssize_t, pwritev64, (int fd, const struct iovec *parts, int n, off64_t offset), fd, parts, n, offset)
LS_WRITE(int, ftruncate, (int fd, off_t length), fd, length)
LS_WRITE(int, ftruncate64, (int fd, off64_t length), fd, length)

static void record_sync(const struct ls_file *file, uint64_t began_ns, int result, uint8_t mode) {
  struct lockscope_record record = {
      .kind = LOCKSCOPE_SYNC,
      .began_ns = began_ns,
      .duration_ns = ls_now() - began_ns,
      .file = file->number,
      .mode = mode,
      .error = result == 0 ? 0 : (uint16_t)errno,
  };
  ls_record(&record);
}

#define LS_SYNC(name, mode)                                                                                            \
  LS_EXPORT int name(int fd) {                                                                                         \
    struct ls_file *file = written_file(fd);                                                                           \
    if (file == NULL) return ls_real.name(fd);                                                                         \
    uint64_t began_ns = ls_now();                                                                                      \
    int result = ls_real.name(fd);                                                                                     \
    record_sync(file, began_ns, result, mode);                                                                         \
    return result;                                                                                                     \
  }

LS_SYNC(fsync, 0)
LS_SYNC(fdatasync, 1)
