/* The one lock of the recorder, for the rare paths: a new descriptor, a new chunk.
 *
 * Signals are blocked while it is held: a handler that locks a database could otherwise wait for its own thread. */
#ifndef LOCKSCOPE_SLOW_H
#define LOCKSCOPE_SLOW_H

#include <stdbool.h>
#include <stdint.h>

struct ls_slow {
  uint64_t signals; /* as they were blocked before */
  int error;        /* errno before */
  bool nested;
};

/* False where another thread does not give it up in time: then nothing is held, and something is lost. */
bool ls_slow_enter(struct ls_slow *slow);
void ls_slow_leave(struct ls_slow *slow); /* puts signals and errno back */

/* In a forked child: whoever held it does not live here. */
void ls_slow_reset(void);

#endif
