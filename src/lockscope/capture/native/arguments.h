/* Command lines as a trace may keep them. */
#ifndef LOCKSCOPE_ARGUMENTS_H
#define LOCKSCOPE_ARGUMENTS_H

#include <stddef.h>

/* Write the arguments, each of which ends with a NUL, with spaces between to `into` and return how many bytes: never
 * more than `room`, nor than `n`. In an argument that looks like SQL, each quoted piece and each number becomes `?` and
 * comments go. */
size_t ls_mask_arguments(const char *arguments, size_t n, char *into, size_t room);

#endif
