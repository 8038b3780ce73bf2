/* Sleeps of threads that lock databases. */
#ifndef LOCKSCOPE_SLEEPS_H
#define LOCKSCOPE_SLEEPS_H

#include <stdbool.h>

/* This thread has made a lock call on a database. */
extern __thread bool ls_locks_here;

#endif
