/* Numbers of statements: one for each text of SQL that a C program runs, and the next free one for anybody. */
#ifndef LOCKSCOPE_CONTEXTS_H
#define LOCKSCOPE_CONTEXTS_H

#include "recorder.h"

/* A number that no CONTEXT record of this segment has yet. The Python hook takes its numbers from here too. */
uint32_t ls_context_number(void);

/* The number of the first statement in `sql`, which ends at `n` bytes or before at a NUL; its masked text is written
 * once a segment. 0 where it cannot be kept. */
uint32_t ls_context_of_sql(const char *sql, size_t n);

/* The number of a place in the program, "path:line", where no statement runs; written once a segment. */
uint32_t ls_context_of_line(const char *line, size_t n);

#endif
