/* Where in the program's code a call came from: the object and the offset in it, resolved to lines by whoever reads. */
#include "real.h"

#include "contexts.h"
#include "origin.h"
#include "recorder.h"
#include "slow.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>

/* Places that are told apart, a power of two; those beyond three quarters of it are not told. */
enum { PLACES = 512 };

struct place {
  uintptr_t address;
  uint64_t state; /* generation above the text */
};

static struct place places[PLACES];
static unsigned counted_in, used;

/* dladdr takes the dynamic linker's lock, which a signal handler that closes a file must not wait for;
 * _dl_find_object(3), of glibc 2.35, takes none. */
static const struct link_map *object_at(void *address) {
#ifdef DLFO_STRUCT_HAS_EH_DBASE
#pragma weak _dl_find_object
  struct dl_find_object found;
  if (_dl_find_object != NULL) return _dl_find_object(address, &found) == 0 ? found.dlfo_link_map : NULL;
#endif
  Dl_info symbol;
  struct link_map *map = NULL;
  return dladdr1(address, &symbol, (void **)&map, RTLD_DL_LINKMAP) != 0 ? map : NULL;
}

static uint32_t describe(uintptr_t address) {
  char text[PATH_MAX + 32], program[PATH_MAX];
  const struct link_map *map = object_at((void *)address);
  if (map == NULL) return 0;
  const char *name = map->l_name;
  if (name == NULL || name[0] == '\0') { /* the program itself has no name there */
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    name = program;
  }
  int n = snprintf(text, sizeof text, "%s+0x%lx", name, (unsigned long)(address - (uintptr_t)map->l_addr));
  return n > 0 && (size_t)n < sizeof text ? ls_text(text, (size_t)n) : 0;
}

static uint32_t text_in(const struct place *place, uintptr_t address) {
  uint64_t state = __atomic_load_n(&place->state, __ATOMIC_ACQUIRE);
  return (unsigned)(state >> 32) == ls_generation && place->address == address ? (uint32_t)state : 0;
}

static bool is_free(const struct place *place) {
  return (unsigned)(__atomic_load_n(&place->state, __ATOMIC_ACQUIRE) >> 32) != ls_generation;
}

/* The place of an address, or the free one where it would stand. */
static struct place *find(uintptr_t address) {
  size_t at = (address ^ address >> 9) % PLACES;
  for (int looked = 0; looked < PLACES; looked++, at = (at + 1) % PLACES) {
    if (is_free(&places[at]) || text_in(&places[at], address) != 0) return &places[at];
  }
  return &places[at];
}

static uint32_t add(uintptr_t address) {
  if (counted_in != ls_generation) used = 0;
  counted_in = ls_generation;
  struct place *place = find(address);
  if (!is_free(place)) return text_in(place, address);
  uint32_t text = used < PLACES / 4 * 3 ? describe(address) : 0;
  if (text == 0) return 0;
  used++;
  place->address = address;
  __atomic_store_n(&place->state, (uint64_t)ls_generation << 32 | text, __ATOMIC_RELEASE);
  return text;
}

uint32_t ls_origin(const void *returns_to) {
  uintptr_t address = (uintptr_t)returns_to - 1; /* within the call, which may be the last of its line */
  uint32_t known = text_in(find(address), address);
  if (known != 0 || !ls_active()) return known;
  struct ls_slow slow;
  if (!ls_slow_enter(&slow)) return 0;
  uint32_t text = add(address);
  ls_slow_leave(&slow);
  return text;
}

uint32_t ls_here(void) {
  char line[PATH_MAX + 16];
  if (ls_context != 0 || ls_python_line == NULL || !ls_active()) return ls_context;
  size_t n = ls_python_line(line, sizeof line);
  return n == 0 ? 0 : ls_context_of_line(line, n);
}
