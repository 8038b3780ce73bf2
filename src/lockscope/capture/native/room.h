/* How large a trace may become, where that was limited: `lockscope trace --max-size`. */
#ifndef LOCKSCOPE_ROOM_H
#define LOCKSCOPE_ROOM_H

#include <stdbool.h>
#include <stdint.h>

/* Look whether the trace in this folder has a greatest size. */
void ls_room_open(const char *folder);

/* Whether a segment that has `own` bytes may have `bytes` more.
 *
 * It may as long as it leaves as much as it then has: the first to grow ends with half of the room, the next with half
 * of the rest. */
bool ls_room_for(uint64_t bytes, uint64_t own);

/* Tell the other processes that so many bytes were taken. */
void ls_room_occupy(uint64_t bytes);

/* Whether the texts of one segment may have so many bytes. */
bool ls_room_for_texts(uint64_t bytes);

#endif
