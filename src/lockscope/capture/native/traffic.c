/* Writes and syncs: wrapped, and added up for each file. */
#include "real.h"

#include "traffic.h"

#include "counters.h"
#include "segment.h"

#include <errno.h>

/* Only the first write is timed: two readings of the clock for each would cost as much as all else of a transaction. */
__attribute__((noinline)) static void begin_writes(struct ls_file *file) {
  uint64_t none = 0;
  __atomic_compare_exchange_n(&file->first_ns, &none, ls_now(), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static inline void note_first(struct ls_file *file) {
  if (__atomic_load_n(&file->first_ns, __ATOMIC_RELAXED) == 0) begin_writes(file);
}

static inline void add_write(struct ls_file *file, size_t bytes) {
  note_first(file);
  if (bytes > 0) ls_add(&file->bytes, bytes);
  ls_add(&file->calls, 1);
  __atomic_store_n(&file->main->written, true, __ATOMIC_RELEASE);
}

static void emit(struct ls_file *file) {
  uint64_t calls = file == NULL || __atomic_load_n(&file->calls, __ATOMIC_RELAXED) == 0 ? 0 : ls_take(&file->calls);
  if (calls == 0) return;
  uint64_t bytes = ls_take(&file->bytes), first_ns = ls_take(&file->first_ns);
  struct lockscope_record record = {
      .kind = LOCKSCOPE_WRITES,
      .began_ns = first_ns != 0 ? first_ns : ls_now(), /* 0: another thread's record has just taken it along */
      .start = calls,
      .length = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX,
      .file = file->number,
  };
  ls_record_now(&record);
}

void ls_emit_writes(struct ls_file *file) {
  struct ls_file *owner = file->main;
  if (!ls_has_writes(file)) return;
  /* Before the sums are taken: who adds meanwhile sets it again. */
  __atomic_store_n(&owner->written, false, LS_ONE_THREAD ? __ATOMIC_RELAXED : __ATOMIC_SEQ_CST);
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
  if (!ls_home->watching) return NULL;
  uint16_t class = ls_class(fd);
  if (class == LS_UNSEEN) return ls_file_to_write(fd);
  return class == LS_FOREIGN ? NULL : ls_file_of_class(class);
}

/* Counted before the call, which then is a jump: to come back here would cost as much as all that is done. */
#define LS_WRITE(result_type, name, parameters, bytes, ...)                                                            \
  LS_EXPORT result_type name parameters {                                                                              \
    struct ls_file *file = written_file(fd);                                                                           \
    if (file != NULL) add_write(file, bytes);                                                                          \
    return ls_real.name(__VA_ARGS__);                                                                                  \
  }

LS_WRITE(ssize_t, write, (int fd, const void *from, size_t n), n, fd, from, n)
LS_WRITE(ssize_t, pwrite, (int fd, const void *from, size_t n, off_t offset), n, fd, from, n, offset)
LS_WRITE(ssize_t, pwrite64, (int fd, const void *from, size_t n, off64_t offset), n, fd, from, n, offset)
LS_WRITE(int, ftruncate, (int fd, off_t length), 0, fd, length)
LS_WRITE(int, ftruncate64, (int fd, off64_t length), 0, fd, length)

/* A list of parts may lie where it cannot be read, which is for the kernel to say: its bytes are added afterwards. */
#define LS_WRITE_PARTS(name, parameters, ...)                                                                          \
  LS_EXPORT ssize_t name parameters {                                                                                  \
    struct ls_file *file = written_file(fd);                                                                           \
    if (file == NULL) return ls_real.name(__VA_ARGS__);                                                                \
    add_write(file, 0);                                                                                                \
    ssize_t result = ls_real.name(__VA_ARGS__);                                                                        \
    if (result > 0) ls_add(&file->bytes, (uint64_t)result);                                                            \
    return result;                                                                                                     \
  }

LS_WRITE_PARTS(writev, (int fd, const struct iovec *parts, int n), fd, parts, n)
LS_WRITE_PARTS(pwritev, (int fd, const struct iovec *parts, int n, off_t offset), fd, parts, n, offset)
LS_WRITE_PARTS(pwritev64, (int fd, const struct iovec *parts, int n, off64_t offset), fd, parts, n, offset)

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
