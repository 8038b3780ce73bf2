/* Sleeps: between two denied attempts they are how SQLite waits (sqliteDefaultBusyCallback in main.c). */
#include "real.h"

#include "segment.h"
#include "sleeps.h"

#include <errno.h>

__thread bool ls_locks_here;

static uint64_t in_ns(const struct timespec *time) {
  return time->tv_sec < 0 ? 0 : (uint64_t)time->tv_sec * UINT64_C(1000000000) + (uint64_t)time->tv_nsec;
}

static void record_sleep(uint64_t began_ns, uint64_t asked_ns, int error) {
  struct lockscope_record record = {
      .kind = LOCKSCOPE_SLEEP,
      .began_ns = began_ns,
      .duration_ns = ls_now() - began_ns,
      .start = asked_ns,
      .error = (uint16_t)error,
  };
  ls_record(&record);
}

LS_EXPORT int usleep(useconds_t microseconds) {
  if (!ls_locks_here) return ls_real.usleep(microseconds);
  uint64_t began_ns = ls_now();
  int result = ls_real.usleep(microseconds);
  record_sleep(began_ns, (uint64_t)microseconds * 1000, result == 0 ? 0 : errno);
  return result;
}

LS_EXPORT unsigned sleep(unsigned seconds) {
  if (!ls_locks_here) return ls_real.sleep(seconds);
  uint64_t began_ns = ls_now();
  unsigned left = ls_real.sleep(seconds);
  record_sleep(began_ns, (uint64_t)seconds * UINT64_C(1000000000), left == 0 ? 0 : EINTR);
  return left;
}

LS_EXPORT int nanosleep(const struct timespec *asked, struct timespec *left) {
  if (!ls_locks_here) return ls_real.nanosleep(asked, left);
  uint64_t began_ns = ls_now();
  int result = ls_real.nanosleep(asked, left);
  int error = result == 0 ? 0 : errno;
  /* The kernel has said EFAULT where `asked` cannot be read: nanosleep(2). */
  if (error != EFAULT) record_sleep(began_ns, in_ns(asked), error);
  return result;
}

/* How long a sleep until `end` is, from now. */
static uint64_t until_ns(clockid_t clock, const struct timespec *end) {
  struct timespec now = {0, 0};
  int before = errno;
  clock_gettime(clock, &now);
  errno = before;
  return in_ns(end) > in_ns(&now) ? in_ns(end) - in_ns(&now) : 0;
}

LS_EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *asked, struct timespec *left) {
  if (!ls_locks_here || asked == NULL) return ls_real.clock_nanosleep(clock, flags, asked, left);
  uint64_t asked_ns = (flags & TIMER_ABSTIME) != 0 ? until_ns(clock, asked) : in_ns(asked);
  uint64_t began_ns = ls_now();
  int error = ls_real.clock_nanosleep(clock, flags, asked, left);
  record_sleep(began_ns, asked_ns, error);
  return error;
}
