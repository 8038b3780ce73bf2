/* Which SQLite a call was meant for.
 *
 * One process may hold several: the system's library under Python's module, another one inside a wheel, a third
 * compiled into an extension that exports it. Our functions stand before all of them, and handing a connection of one
 * to another would destroy it. So a call goes where the dynamic linker would have bound it: to the first definition in
 * the global scope behind us, else in the scope of the calling object itself (a module loaded with RTLD_LOCAL keeps
 * its SQLite there: dlopen(3)). */
#include "real.h"

#include "recorder.h"
#include "sqlite_api.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>

/* Call sites and objects that are remembered; beyond, each call is looked up anew. The first is a power of two. */
enum { SITES = 1024, OBJECTS = 64, SQLITES = 16 };

static struct ls_sqlite sqlites[SQLITES]; /* never changed once there */
static unsigned sqlite_count;

/* A return address above the place of its SQLite plus one, in one word so that it is never seen half. */
static uint64_t sites[SITES];

static struct {
  const struct link_map *map;
  const struct ls_sqlite *sqlite;
} objects[OBJECTS];
static unsigned object_count; /* like all but the sites owned by who is busy in `search` */
static unsigned unloads, counted_at;

static bool lookup(void *scope, struct ls_sqlite *found) {
  memset(found, 0, sizeof *found);
#define LS_LOOK_UP(result, name, parameters)                                                                           \
  do {                                                                                                                 \
    void *at = dlsym(scope, #name);                                                                                    \
    memcpy(&found->name, &at, sizeof at);                                                                              \
  } while (0);
  LS_SQLITE_WRAPPED(LS_LOOK_UP)
  LS_SQLITE_ASKED(LS_LOOK_UP)
#undef LS_LOOK_UP
  return found->sqlite3_step != NULL && found->sqlite3_step != sqlite3_step; /* ours */
}

static int (*real_dlclose(void))(void *) {
  static int (*real)(void *);
  if (real == NULL) {
    void *found = dlsym(RTLD_NEXT, "dlclose");
    memcpy(&real, &found, sizeof found);
  }
  return real;
}

static bool lookup_in(const char *object, struct ls_sqlite *found) {
  void *handle = dlopen(object, RTLD_NOLOAD | RTLD_LAZY);
  if (handle == NULL) return false;
  bool there = lookup(handle, found);
  real_dlclose()(handle);
  return there;
}

static const struct ls_sqlite *keep(const struct ls_sqlite *found) {
  for (unsigned i = 0; i < sqlite_count; i++) {
    if (memcmp(&sqlites[i], found, sizeof *found) == 0) return &sqlites[i];
  }
  if (sqlite_count == SQLITES) return NULL;
  sqlites[sqlite_count] = *found;
  return &sqlites[sqlite_count++];
}

/* The last resort is for a call that was compiled into a jump: it seems to come from its caller's caller. */
static bool resolve(const struct link_map *map, struct ls_sqlite *found) {
  if (lookup(RTLD_NEXT, found)) return true;
  if (map != NULL && map->l_name[0] != '\0' && lookup_in(map->l_name, found)) return true;
  if (lookup_in("libsqlite3.so.0", found)) return true;
  if (sqlite_count > 0) *found = sqlites[sqlite_count - 1];
  return sqlite_count > 0;
}

static const struct ls_sqlite *of_object(const struct link_map *map, struct ls_sqlite *spare) {
  unsigned now = __atomic_load_n(&unloads, __ATOMIC_ACQUIRE);
  if (counted_at != now) object_count = 0;
  counted_at = now;
  for (unsigned i = 0; i < object_count; i++) {
    if (objects[i].map == map) return objects[i].sqlite;
  }
  if (!resolve(map, spare)) return NULL;
  const struct ls_sqlite *kept = keep(spare);
  if (kept != NULL && object_count < OBJECTS) {
    objects[object_count].map = map;
    objects[object_count++].sqlite = kept;
  }
  return kept != NULL ? kept : spare;
}

static const struct link_map *object_at(const void *address) {
  Dl_info symbol;
  struct link_map *map = NULL;
  return dladdr1(address, &symbol, (void **)&map, RTLD_DL_LINKMAP) != 0 ? map : NULL;
}

/* The dynamic linker has a lock of its own and runs constructors under it, so no lock of ours may be held around it: a
 * flag, and who finds it taken looks everything up anew. A flag that a fork left behind does not count. */
static const struct ls_sqlite *search(const void *caller, uint64_t *site, struct ls_sqlite *spare) {
  static unsigned busy;
  unsigned mine = ls_generation + 1, seen = __atomic_load_n(&busy, __ATOMIC_RELAXED);
  const struct link_map *map = object_at(caller);
  if (seen == mine || !__atomic_compare_exchange_n(&busy, &seen, mine, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
    return resolve(map, spare) ? spare : NULL;
  }
  const struct ls_sqlite *found = of_object(map, spare);
  if (found != NULL && found != spare) {
    uint64_t known = (uint64_t)(uintptr_t)caller << 8 | (uint64_t)(found - sqlites + 1);
    __atomic_store_n(site, known, __ATOMIC_RELEASE);
  }
  __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
  return found;
}

const struct ls_sqlite *ls_sqlite_of(const void *caller) {
  static __thread struct ls_sqlite spare;
  uint64_t address = (uint64_t)(uintptr_t)caller;
  uint64_t *site = &sites[(address ^ address >> 10) % SITES];
  uint64_t known = __atomic_load_n(site, __ATOMIC_ACQUIRE);
  if (known >> 8 == address) return &sqlites[(known & 0xff) - 1];
  int before = errno;
  const struct ls_sqlite *found = search(caller, site, &spare);
  errno = before;
  return found;
}

/* Another object may come to lie where this one did. */
LS_EXPORT int dlclose(void *handle) {
  int result = real_dlclose()(handle);
  if (__atomic_load_n(&object_count, __ATOMIC_RELAXED) > 0) {
    __atomic_add_fetch(&unloads, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < SITES; i++) __atomic_store_n(&sites[i], 0, __ATOMIC_RELAXED);
  }
  return result;
}
