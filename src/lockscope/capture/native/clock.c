/* The clock: CLOCK_MONOTONIC, through the vDSO, and between two readings of it through the processor's counter.
 *
 * A record needs two readings, and at 360,000 lock calls a second the vDSO's twenty nanoseconds are half of what
 * recording costs. Where the kernel itself counts by the time stamp counter, the counter is read directly for up to a
 * millisecond after each reading of the clock. */
#include "real.h"

#include "clock.h"
#include "segment.h"

#include <string.h>

static uint64_t read_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

#if defined(__x86_64__)

/* The rate is measured over two milliseconds at least and a second at most, so that it follows adjtimex(2), and is
 * taken as this much slower than it was: what has been counted must not be later than what is read next. 2^-15 of a
 * millisecond is 30 ns. */
#define LEARNED_FROM_NS UINT64_C(2000000)
#define LEARNED_TO_NS UINT64_C(1000000000)
#define SLOWER_SHIFT 15
#define TRUSTED_NS UINT64_C(1000000) /* the counter is trusted for so long after a reading of the clock */
#define ASTRAY_NS 200                /* a count that is further off was made at a wrong rate */
#define AT_ONCE UINT64_C(2000)       /* counts: a longer reading was interrupted and says nothing of the rate */

struct reading {
  uint64_t count, ns;
};

static bool counting; /* the kernel's clock is the counter */

/* One structure, so that a reading finds all of it by one address. */
static __thread struct {
  struct reading last, base;
  uint64_t rate;    /* ns a count, in 2^-32; 0 unknown */
  uint64_t trusted; /* counts after `last` */
  bool busy;        /* a signal handler that interrupts a reading must not touch it */
} mine;

static uint64_t counter(void) { return __builtin_ia32_rdtsc(); }

static uint64_t counted(uint64_t counts) {
  return mine.last.ns + (uint64_t)((unsigned __int128)counts * mine.rate >> 32);
}

/* Whether the rate has led astray since the last reading; after a longer pause nobody was led by it. */
static bool is_astray(const struct reading *now) {
  int64_t off = (int64_t)(counted(now->count - mine.last.count) - now->ns);
  return mine.rate != 0 && now->ns - mine.last.ns < 2 * TRUSTED_NS && (off > ASTRAY_NS || off < -ASTRAY_NS);
}

static void learn(const struct reading *now) {
  uint64_t ns = now->ns - mine.base.ns, counts = now->count - mine.base.count;
  if (is_astray(now)) {
    mine.rate = 0;
    mine.base = *now;
  } else if (mine.base.count == 0 || ns >= LEARNED_TO_NS) {
    mine.base = *now; /* the rate, where one is known, holds until it is learned anew from here */
  } else if (ns >= LEARNED_FROM_NS) {
    uint64_t exact = (uint64_t)(((unsigned __int128)ns << 32) / counts);
    mine.rate = exact - (exact >> SLOWER_SHIFT);
  }
}

/* Rare, and out of the way: with it inside, each reading would begin by saving the registers that it needs. */
__attribute__((noinline)) static uint64_t read_anew(void) {
  uint64_t before = counter(), ns = read_clock();
  struct reading now = {counter(), ns};
  if (!__atomic_load_n(&counting, __ATOMIC_RELAXED) || mine.busy) return ns;
  mine.busy = true;
  mine.trusted = 0;
  if (now.count - before < AT_ONCE) {
    learn(&now);
    mine.last = now;
    if (mine.rate != 0) mine.trusted = (TRUSTED_NS << 32) / mine.rate;
  }
  mine.busy = false;
  return ns;
}

uint64_t ls_now(void) {
  uint64_t from = mine.last.count;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  uint64_t counts = counter() - from;
  uint64_t ns = mine.last.ns + (counts * mine.rate >> 32);
  bool known = counts < mine.trusted;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  /* A signal handler that has read the clock meanwhile would leave half of its reading in the sum. */
  return known && mine.last.count == from ? ns : read_anew();
}

void ls_clock_start(void) {
  static bool asked;
  char source[16];
  if (asked) return;
  asked = true;
  /* Only then are the counters of all processors in step; a virtual machine may have another source. */
  size_t n = ls_read_proc("/sys/devices/system/clocksource/clocksource0/current_clocksource", source, sizeof source);
  __atomic_store_n(&counting, n == 4 && memcmp(source, "tsc\n", 4) == 0, __ATOMIC_RELAXED);
}

#else

uint64_t ls_now(void) { return read_clock(); }
void ls_clock_start(void) {}

#endif
