/* How large a trace may become, where that was limited: one page that all its processes share. */
#include "real.h"

#include "record.h"
#include "room.h"
#include "storage.h"

#include <limits.h>
#include <stddef.h>

/* Texts do not turn with the records: later records point to them. So they have a fixed part of the room. */
enum { TEXT_PART = 8 };

static struct lockscope_room *room; /* NULL: no limit */

void ls_room_open(const char *folder) {
  char path[PATH_MAX];
  if (room != NULL || snprintf(path, sizeof path, "%s/" LOCKSCOPE_ROOM, folder) >= (int)sizeof path) return;
  room = ls_storage_map_again(path, 0, sizeof *room);
}

static uint64_t read_once(const uint64_t *field) { return __atomic_load_n(field, __ATOMIC_RELAXED); }

static uint64_t left(void) {
  uint64_t used = read_once(&room->taken) - read_once(&room->freed), limit = read_once(&room->limit);
  if ((int64_t)used < 0) return limit; /* more was found to take away than had been told */
  return used < limit ? limit - used : 0;
}

void ls_room_occupy(uint64_t bytes) {
  if (room != NULL) __atomic_fetch_add(&room->taken, bytes, __ATOMIC_RELAXED);
}

bool ls_room_for(uint64_t bytes, uint64_t own) { return room == NULL || left() >= 2 * bytes + own; }

bool ls_room_for_texts(uint64_t bytes) { return room == NULL || bytes <= read_once(&room->limit) / TEXT_PART; }
