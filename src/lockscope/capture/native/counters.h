/* Numbers that all threads add to, and that cost a process with one thread no locked instruction: of those, each lock
 * call would otherwise take one and each write two, and one costs as much as everything else that is done for a write.
 */
#ifndef LOCKSCOPE_COUNTERS_H
#define LOCKSCOPE_COUNTERS_H

#include <stdint.h>
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
#include <sys/single_threaded.h>
#define LS_ONE_THREAD __libc_single_threaded
#else
#define LS_ONE_THREAD 0
#endif

/* Add and give what was there before. With one thread it is one instruction all the same: a signal handler that came
 * between reading and writing would otherwise be given the same slot, or have its part forgotten. */
static inline uint64_t ls_add(uint64_t *sum, uint64_t n) {
#if defined(__x86_64__)
  if (LS_ONE_THREAD) {
    __asm__ volatile("xaddq %0, %1" : "+r"(n), "+m"(*sum) : : "memory", "cc");
    return n;
  }
#endif
  return __atomic_fetch_add(sum, n, __ATOMIC_RELAXED);
}

/* Give what is there and leave nothing. */
static inline uint64_t ls_take(uint64_t *sum) {
  if (!LS_ONE_THREAD) return __atomic_exchange_n(sum, 0, __ATOMIC_ACQUIRE);
  uint64_t there = __atomic_load_n(sum, __ATOMIC_RELAXED);
  if (there != 0) ls_add(sum, -there);
  return there;
}

#endif
