/* The lock calls of a thread. */
#ifndef LOCKSCOPE_LOCKS_H
#define LOCKSCOPE_LOCKS_H

/* How many of them were recorded: whoever wants to know whether some were made meanwhile compares two readings. */
extern __thread unsigned ls_lock_calls;

#endif
