/* The clock behind ls_now(). */
#ifndef LOCKSCOPE_CLOCK_H
#define LOCKSCOPE_CLOCK_H

/* Find out how the clock can be read at the least cost. */
void ls_clock_start(void);

#endif
