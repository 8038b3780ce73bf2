/* Closing any descriptor of a file drops all locks that the process has on it, also a descriptor that was never used
 * for locks (fcntl(2)). So every way to close one is wrapped. */
#include "real.h"

#include "files.h"
#include "origin.h"
#include "traffic.h"

#include <errno.h>

/* Descriptors that nothing is known of are looked at up to here when a whole range is closed: a range may end at four
 * thousand million, and each look is a system call. */
enum { LOOKED_AT = 1024 };

/* `returns_to` tells whose code it was: SQLite's own, or somebody's that takes its locks away. */
static void record_close(struct ls_file *file, int fd, uint64_t began_ns, int result, const void *returns_to) {
  int error = result >= 0 ? 0 : errno;
  file->exclusive = false;
  if (ls_has_writes(file)) ls_emit_writes(file);
  struct lockscope_record record = {
      .kind = LOCKSCOPE_CLOSE,
      .began_ns = began_ns,
      .duration_ns = ls_now() - began_ns,
      .start = (uint64_t)fd,
      .length = ls_origin(returns_to),
      .file = file->number,
      .mode = ls_forget_locking(fd) ? 0 : LOCKSCOPE_ANOTHER,
      .error = (uint16_t)error,
  };
  uint32_t outer = ls_context;
  ls_context = ls_here();
  ls_record(&record);
  ls_context = outer;
}

LS_EXPORT int close(int fd) {
  struct ls_file *file = ls_home->watching ? ls_file_to_close(fd) : NULL;
  if (file == NULL) return ls_real.close(fd);
  uint64_t began_ns = ls_now();
  int result = ls_real.close(fd);
  record_close(file, fd, began_ns, result, __builtin_return_address(0));
  return result;
}

/* The C library closes the stream's descriptor by itself, where no wrapper of close sees it. */
LS_EXPORT int fclose(FILE *stream) {
  if (!ls_home->watching) return ls_real.fclose(stream);
  int before = errno;
  int fd = fileno(stream);
  errno = before;
  struct ls_file *file = fd < 0 ? NULL : ls_file_to_close(fd);
  if (file == NULL) return ls_real.fclose(stream);
  uint64_t began_ns = ls_now();
  int result = ls_real.fclose(stream);
  record_close(file, fd, began_ns, result, __builtin_return_address(0));
  return result;
}

/* The file whose descriptor `new` is about to be replaced by `old`; NULL for none, and where the call will fail. */
static struct ls_file *replaced(int old, int new) {
  if (!ls_home->watching || old == new) return NULL;
  int before = errno;
  bool valid = ls_real.fcntl(old, F_GETFD) >= 0;
  errno = before;
  return valid ? ls_file_to_close(new) : NULL;
}

LS_EXPORT int dup2(int old, int new) {
  struct ls_file *file = replaced(old, new);
  if (file == NULL) return ls_real.dup2(old, new);
  uint64_t began_ns = ls_now();
  int result = ls_real.dup2(old, new);
  record_close(file, new, began_ns, result, __builtin_return_address(0));
  return result;
}

LS_EXPORT int dup3(int old, int new, int flags) {
  struct ls_file *file = replaced(old, new);
  if (file == NULL) return ls_real.dup3(old, new, flags);
  uint64_t began_ns = ls_now();
  int result = ls_real.dup3(old, new, flags);
  record_close(file, new, began_ns, result, __builtin_return_address(0));
  return result;
}

/* Record the end of every known descriptor in [first, last], just before it. */
static void leave_range(unsigned first, unsigned last, const void *returns_to) {
  for (unsigned fd = first; fd <= last && fd < LS_DESCRIPTORS; fd++) {
    if (fd >= LOOKED_AT && ls_class((int)fd) == LS_UNSEEN) continue;
    struct ls_file *file = ls_file_to_close((int)fd);
    if (file != NULL) record_close(file, (int)fd, ls_now(), 0, returns_to);
  }
}

LS_EXPORT int close_range(unsigned first, unsigned last, int flags) {
  const int closing = 1 << 1; /* CLOSE_RANGE_UNSHARE; with CLOSE_RANGE_CLOEXEC nothing is closed: close_range(2) */
  if (ls_home->watching && (flags & ~closing) == 0 && ls_at_home())
    leave_range(first, last, __builtin_return_address(0));
  return ls_real.close_range(first, last, flags);
}

LS_EXPORT void closefrom(int first) {
  if (ls_home->watching && ls_at_home()) leave_range(first < 0 ? 0 : (unsigned)first, ~0U, __builtin_return_address(0));
  ls_real.closefrom(first);
}
