/* A process's beginning, fork and end. */
#ifndef LOCKSCOPE_LIFETIME_H
#define LOCKSCOPE_LIFETIME_H

#include "segment.h"

/* Let a user that this process is about to become go on with the trace. Changes errno. */
void ls_trace_share(uid_t user);

/* Trace a child that was forked by a bare system call; false where nothing is traced. */
bool ls_revive(void);

/* Whether records are being kept for this very process. */
static inline bool ls_alive(void) { return ls_home->pid != 0 || ls_revive(); }

#endif
