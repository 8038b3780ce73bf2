/* clock_check SECONDS: compare the recorder's clock with CLOCK_MONOTONIC, in two threads, and with pauses in which the
 * recorder's does not look. Prints "readings, steps back, furthest before, furthest after" in ns for each thread. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "recorder.h"

static int64_t until_ns;

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void *compare(void *unused) {
  int64_t readings = 0, back = 0, early = 0, late = 0, previous = 0;
  for (int64_t before = now_ns(); before < until_ns; before = now_ns(), readings++) {
    int64_t shown = (int64_t)ls_now(), after = now_ns();
    if (shown < previous) back++;
    if (before - shown > early) early = before - shown;
    if (shown - after > late) late = shown - after;
    previous = shown;
    if (readings % 100000 == 0) nanosleep(&(struct timespec){0, 3000000}, NULL);
  }
  printf("%lld %lld %lld %lld\n", (long long)readings, (long long)back, (long long)early, (long long)late);
  return unused;
}

int main(int argc, char **argv) {
  pthread_t other;
  if (argc != 2) return 2;
  ls_clock_start();
  until_ns = now_ns() + (int64_t)(atof(argv[1]) * 1e9);
  if (pthread_create(&other, NULL, compare, NULL) != 0) return 3;
  compare(NULL);
  return pthread_join(other, NULL) == 0 ? 0 : 3;
}
