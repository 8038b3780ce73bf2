/* The environment of a program that the traced one starts. */
#ifndef LOCKSCOPE_ENVIRONMENT_H
#define LOCKSCOPE_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

/* Remember how this process came to be traced; gives the trace's folder, NULL where it is not to be. */
const char *ls_environment_read(void);

/* Bytes of stack that `ls_environment_fill` needs for `environment`; 0 where it can be passed on as it is. */
size_t ls_environment_room(char *const *environment);

/* A copy of `environment` that also traces the child: made in `room`, sharing the strings. */
char *const *ls_environment_fill(char *const *environment, void *room);

#endif
