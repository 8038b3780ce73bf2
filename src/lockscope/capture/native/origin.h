/* Where in the program's code a call came from. */
#ifndef LOCKSCOPE_ORIGIN_H
#define LOCKSCOPE_ORIGIN_H

#include <stdint.h>

/* Text "module+0xoffset" of the call that returns to `address`, as addr2line(1) takes it; 0 where that is not known or
 * cannot be kept. Written once a segment for each place. */
uint32_t ls_origin(const void *address);

/* The statement that this thread is running, or else its line of Python: number of a CONTEXT, 0 none. */
uint32_t ls_here(void);

#endif
