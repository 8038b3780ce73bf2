/* The one lock of the recorder: a flag, because a mutex of the C library is not safe after fork or in a handler. */
#include "real.h"

#include "slow.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

/* Yields, then naps of 20 us: about 20 ms in all. A thread of a higher real-time priority than the holder's must give
 * up in the end, or it would keep the holder from ever running (sched(7)). */
enum { YIELDS = 200, NAPS = 1000, NAP_NS = 20000 };

static bool taken;
static __thread bool taken_here;

static void set_signals(uint64_t wanted, uint64_t *before) {
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &wanted, before, sizeof wanted);
}

static bool take(void) {
  for (int round = 0; round < YIELDS + NAPS; round++) {
    if (!__atomic_exchange_n(&taken, true, __ATOMIC_ACQUIRE)) return true;
    if (round < YIELDS) {
      sched_yield();
    } else {
      struct timespec nap = {0, NAP_NS};
      syscall(SYS_nanosleep, &nap, NULL);
    }
  }
  return false;
}

bool ls_slow_enter(struct ls_slow *slow) {
  slow->nested = taken_here;
  if (slow->nested) return true;
  slow->error = errno;
  set_signals(~UINT64_C(0), &slow->signals);
  taken_here = take();
  if (taken_here) return true;
  set_signals(slow->signals, NULL);
  errno = slow->error;
  return false;
}

void ls_slow_leave(struct ls_slow *slow) {
  if (slow->nested) return;
  taken_here = false;
  __atomic_store_n(&taken, false, __ATOMIC_RELEASE);
  set_signals(slow->signals, NULL);
  errno = slow->error;
}

void ls_slow_reset(void) {
  taken_here = false;
  __atomic_store_n(&taken, false, __ATOMIC_RELEASE);
}
