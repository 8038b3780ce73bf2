/* A segment: a header, a small first chunk of records, then larger ones, each mapped by itself as it is needed.
 *
 * Where the trace has a greatest size, the larger chunks become a ring once the room is used up: the oldest of them is
 * written anew, and what later records need of it is carried over first. The first chunk stays. */
#include "real.h"

#include "room.h"
#include "segment.h"
#include "sharing.h"
#include "slow.h"
#include "storage.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* Chunks behind the newest that are looked at, each time one is added, for whether they can be unmapped. */
enum { STRAGGLERS = 8 };
/* A ring has at least this many chunks, also where the room is used up: with fewer, names would be carried over from a
 * chunk that is still being written. */
enum { LEAST_RING = 4 };
/* Names that one chunk is asked to carry over; half of it stays for what is new. */
enum { MOST_CARRIED = LS_CHUNK_RECORDS / 2 };
/* Mapped ahead where the process gives up its rights: 65,536 records, fewer chunks than are looked at for retirement,
 * and the paths and statements of a program that has a few hundred of them. */
enum { AHEAD = 4, AHEAD_TEXT = 131072 };
#define RETRY_NS UINT64_C(1000000000) /* after a failure, before space is asked for again */

struct ls_home *ls_home = &(struct ls_home){0, false, false};
__thread uint32_t ls_context;
unsigned ls_generation;
struct ls_segment ls_segment;
__thread struct ls_storing ls_storing;

static size_t newest;                     /* chunk that was added */
static size_t ring;                       /* chunks that turn; 0: the segment grows */
static size_t solid;                      /* all chunks up to this one have their space on disk */
static struct lockscope_record *upcoming; /* in a ring: the mapping of the chunk after the newest */
static struct {
  char *mapped; /* NULL: none */
  uint64_t first;
} text_ahead;
static unsigned provided; /* generation that has been provided for */
static struct {
  uint64_t count, first_ns;
} untold; /* losses for want of a segment */
static char segment_path[PATH_MAX], text_path[PATH_MAX];
static __thread bool inside;

bool ls_active(void) { return ls_home->pid != 0; }

bool ls_at_home(void) { return ls_home->pid != 0 && (pid_t)syscall(SYS_getpid) == ls_home->pid; }

bool ls_enter(void) {
  if (inside) return false;
  inside = true;
  return true;
}

void ls_leave(void) { inside = false; }

void ls_lose(void) {
  if (!ls_active()) return;
  struct lockscope_header *segment = ls_home->begun ? ls_segment.header : NULL;
  uint64_t never = 0, *lost = segment == NULL ? &untold.count : &segment->lost;
  uint64_t *blind_ns = segment == NULL ? &untold.first_ns : &segment->blind_ns;
  __atomic_fetch_add(lost, 1, __ATOMIC_RELAXED);
  __atomic_compare_exchange_n(blind_ns, &never, ls_now(), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static bool blind(uint64_t now_ns) { return now_ns < __atomic_load_n(&ls_segment.blind_until_ns, __ATOMIC_RELAXED); }

bool ls_is_blind(void) { return __atomic_load_n(&ls_segment.blind_until_ns, __ATOMIC_RELAXED) != 0 && blind(ls_now()); }

static void go_blind(void) { __atomic_store_n(&ls_segment.blind_until_ns, ls_now() + RETRY_NS, __ATOMIC_RELAXED); }

/* Chunks are counted on without end; in a ring, several of them lie at one place in the file, one after the other. */
static size_t place_of(size_t chunk) { return ring == 0 ? chunk : 1 + (chunk - 1) % ring; }

static off_t chunk_offset(size_t chunk) {
  return (off_t)(LOCKSCOPE_HEADER_BYTES +
                 (LS_FIRST_RECORDS + (place_of(chunk) - 1) * LS_CHUNK_RECORDS) * sizeof(struct lockscope_record));
}

static const size_t chunk_bytes = LS_CHUNK_RECORDS * sizeof(struct lockscope_record);
static const size_t first_bytes = LOCKSCOPE_HEADER_BYTES + LS_FIRST_RECORDS * sizeof(struct lockscope_record);

/* A record's sequence is the last store into it: where all are there, no thread will touch the chunk again. */
static bool complete(const struct lockscope_record *records) {
  for (size_t i = 0; i < LS_CHUNK_RECORDS; i++) {
    if (__atomic_load_n(&records[i].sequence, __ATOMIC_ACQUIRE) == 0) return false;
  }
  return true;
}

/* Where nobody else can be in the middle of a record, all that were handed out are there; looking at each would be 768
 * KB to read. A chunk that was mapped ahead is not handed out yet. */
static bool all_stored(size_t chunk) {
  uint64_t next = __atomic_load_n(&ls_segment.header->next, __ATOMIC_RELAXED);
  return LS_ONE_THREAD && ls_storing.depth <= 1 && chunk < ls_chunk_of(next);
}

/* A program that runs for weeks would otherwise meet its RLIMIT_AS. */
static void retire_before(size_t chunk_to_come) {
  size_t first = chunk_to_come > STRAGGLERS ? chunk_to_come - STRAGGLERS : 1;
  for (size_t chunk = first; chunk + 1 < chunk_to_come; chunk++) {
    struct lockscope_record *records = *ls_entry_of(chunk);
    if (records == NULL || (!all_stored(chunk) && !complete(records))) continue;
    __atomic_store_n(ls_entry_of(chunk), NULL, __ATOMIC_RELAXED);
    ls_storage_unmap(records, chunk_offset(chunk), chunk_bytes);
  }
}

static struct lockscope_record *publish(size_t chunk, struct lockscope_record *records) {
  newest = chunk;
  *ls_entry_of(chunk + 1) = NULL; /* what a hole kept from being retired, a whole table ago */
  __atomic_store_n(ls_entry_of(chunk), records, __ATOMIC_RELEASE);
  return records;
}

static struct lockscope_record *grow(size_t chunk) {
  retire_before(chunk);
  struct lockscope_record *records = ls_storage_map(segment_path, chunk_offset(chunk), chunk_bytes);
  if (records == NULL) return NULL;
  if (chunk == solid + 1) solid = chunk;
  ls_room_occupy(chunk_bytes);
  return publish(chunk, records);
}

static bool is_name(uint8_t kind) {
  return kind == LOCKSCOPE_PROCESS || kind == LOCKSCOPE_FILE || kind == LOCKSCOPE_CONTEXT || kind == LOCKSCOPE_NOTE;
}

/* Repeat the names of the chunk that goes next in the chunk that is about to be written: until then they are there
 * twice, so that a kill in between loses none. Nobody else can write into `to` yet. */
static void carry_over(const struct lockscope_record *from, struct lockscope_record *to, size_t chunk) {
  size_t carried = 0;
  for (size_t i = 0; i < LS_CHUNK_RECORDS; i++) {
    if (from[i].sequence == 0 || !is_name(from[i].kind)) continue;
    uint64_t slot = carried++ < MOST_CARRIED ? __atomic_fetch_add(&ls_segment.header->next, 1, __ATOMIC_RELAXED) : 0;
    if (ls_chunk_of(slot) != chunk) {
      ls_lose();
      continue;
    }
    struct lockscope_record *at = &to[ls_index_of(slot)];
    memcpy(at, &from[i], offsetof(struct lockscope_record, sequence));
    __atomic_store_n(&at->sequence, (uint32_t)(slot % UINT32_MAX) + 1, __ATOMIC_RELEASE);
  }
}

/* Write the oldest chunk anew. The sequences go first: a kill leaves each record whole or absent. A thread that was
 * kept from finishing a record for a whole turn ends it with the sequence of that time, which tells it to a reader. */
static struct lockscope_record *turn(size_t chunk) {
  struct lockscope_record *records = upcoming;
  if (records == NULL || chunk != newest + 1) {
    records = ls_storage_map_again(segment_path, chunk_offset(chunk), chunk_bytes);
  }
  struct lockscope_record *after = ls_storage_map_again(segment_path, chunk_offset(chunk + 1), chunk_bytes);
  if (records != upcoming && upcoming != NULL) ls_storage_unmap(upcoming, chunk_offset(1), chunk_bytes);
  upcoming = after;
  if (records == NULL || after == NULL) {
    if (records != NULL) ls_storage_unmap(records, chunk_offset(chunk), chunk_bytes);
    if (after != NULL) ls_storage_unmap(after, chunk_offset(chunk), chunk_bytes);
    upcoming = NULL;
    return NULL;
  }
  retire_before(chunk);
  for (size_t i = 0; i < LS_CHUNK_RECORDS; i++) __atomic_store_n(&records[i].sequence, 0, __ATOMIC_RELAXED);
  __sync_synchronize();
  carry_over(after, records, chunk);
  return publish(chunk, records);
}

static void begin_ring(void) {
  ring = solid;
  ls_segment.header->ring_first = LS_FIRST_RECORDS;
  __atomic_store_n(&ls_segment.header->ring_records, ring * LS_CHUNK_RECORDS, __ATOMIC_RELEASE);
}

static struct lockscope_record *add_or_turn(size_t chunk) {
  if (ring == 0 && solid >= LEAST_RING && !ls_room_for(chunk_bytes, first_bytes + newest * chunk_bytes)) begin_ring();
  if (ring == 0) return grow(chunk);
  return chunk > newest ? turn(chunk) : NULL;
}

static struct lockscope_record *add_chunk(size_t chunk) {
  struct ls_slow slow;
  /* A store that a fork in a signal handler interrupted goes on in a child that has no segment. */
  if (!ls_home->begun || !ls_slow_enter(&slow)) return NULL;
  struct lockscope_record *records = *ls_entry_of(chunk);
  if (records == NULL) records = add_or_turn(chunk);
  if (records == NULL) go_blind();
  ls_slow_leave(&slow);
  return records;
}

void ls_record_slowly(struct lockscope_record record, struct lockscope_header *segment, uint64_t slot) {
  struct lockscope_record *records = add_chunk(ls_chunk_of(slot));
  if (records != NULL) {
    ls_store(&records[ls_index_of(slot)], &record, slot);
  } else if (segment == ls_segment.header) { /* not in the child of a fork meanwhile: the parent will have stored it */
    ls_lose();
  }
}

void ls_record_first(struct lockscope_record record) {
  bool begun = ls_begin();
  if (ls_storing.thread == 0) ls_storing.thread = (uint32_t)syscall(SYS_gettid);
  if (begun && !blind(record.began_ns)) {
    ls_record_now(&record);
  } else {
    ls_lose();
  }
}

void ls_record(const struct lockscope_record *record) { ls_record_now(record); }

/* Escape into `line` until it is nearly full; `*used` bytes of it, and the number of `bytes` that are in it. */
static size_t escape(const char *bytes, size_t n, char *line, size_t room, size_t *used) {
  size_t i = 0, at = 0;
  for (; i < n && at + 2 < room; i++) {
    bool special = bytes[i] == '\\' || bytes[i] == '\n';
    if (special) line[at++] = '\\';
    line[at++] = bytes[i] == '\n' ? 'n' : bytes[i];
  }
  if (i == n) line[at++] = '\n';
  *used = at;
  return i;
}

static bool write_text(const char *bytes, size_t n, uint64_t offset) {
  if (text_ahead.mapped == NULL || offset < text_ahead.first || offset + n > text_ahead.first + AHEAD_TEXT) {
    return ls_storage_write(text_path, bytes, n, (off_t)offset);
  }
  memcpy(text_ahead.mapped + (offset - text_ahead.first), bytes, n);
  return true;
}

static bool write_line(const char *bytes, size_t n, uint64_t offset) {
  char line[4096];
  for (bool written = false; !written;) {
    size_t used, taken = escape(bytes, n, line, sizeof line, &used);
    if (!write_text(line, used, offset)) return false;
    written = line[used - 1] == '\n';
    bytes += taken;
    n -= taken;
    offset += used;
  }
  return true;
}

uint32_t ls_text(const char *bytes, size_t n) {
  int before = errno;
  if (!ls_begin()) {
    ls_lose();
    return 0;
  }
  uint64_t length = n + 1;
  for (size_t i = 0; i < n; i++) length += bytes[i] == '\\' || bytes[i] == '\n';
  uint64_t offset = __atomic_fetch_add(&ls_segment.header->text_used, length, __ATOMIC_RELAXED);
  bool fits = offset + length <= UINT32_MAX && ls_room_for_texts(offset + length);
  bool kept = fits && !blind(ls_now()) && write_line(bytes, n, offset);
  if (kept) ls_room_occupy(length);
  if (!kept) ls_lose();
  errno = before;
  return kept ? (uint32_t)offset : 0;
}

static void join(char *path, const char *folder, pid_t pid, uint64_t started_ns, const char *ending) {
  snprintf(path, PATH_MAX, "%s/%d-%llu-native.%s", folder, (int)pid, (unsigned long long)started_ns, ending);
}

static void begin_header(struct lockscope_header *fresh, pid_t pid, uint64_t started_ns) {
  fresh->version = LOCKSCOPE_VERSION;
  fresh->header_bytes = LOCKSCOPE_HEADER_BYTES;
  fresh->record_bytes = sizeof(struct lockscope_record);
  fresh->pid = (uint32_t)pid;
  fresh->started_ns = started_ns;
  fresh->process_start = ls_process_start();
  fresh->recorder = LOCKSCOPE_NATIVE;
  fresh->text_used = sizeof LOCKSCOPE_TEXT_HEAD - 1;
  /* The magic comes last: a reader that looks now must not take half a header for a whole one. */
  uint64_t magic;
  memcpy(&magic, LOCKSCOPE_MAGIC, sizeof magic);
  __atomic_store_n((uint64_t *)(void *)fresh->magic, magic, __ATOMIC_RELEASE);
}

static struct ls_home *new_home(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  void *home = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (home == MAP_FAILED) return NULL;
  (void)madvise(home, page, MADV_WIPEONFORK); /* before Linux 4.14 only pthread_atfork tells of a fork */
  return home;
}

void ls_segment_settle(void) {
  static struct ls_home *home; /* kept by a forked child, where it has been wiped */
  if (home == NULL && (home = new_home()) == NULL) return;
  ls_generation++;
  home->begun = home->watching = false;
  home->pid = (pid_t)syscall(SYS_getpid);
  ls_home = home;
}

/* The two files, the segment mapped; NULL, and no file, where that cannot be done. */
static struct lockscope_header *create_files(void) {
  struct lockscope_header *fresh = NULL;
  if (ls_storage_create(text_path) && ls_storage_create(segment_path) &&
      ls_storage_write(text_path, LOCKSCOPE_TEXT_HEAD, sizeof LOCKSCOPE_TEXT_HEAD - 1, 0)) {
    fresh = ls_storage_map(segment_path, 0, first_bytes);
  }
  if (fresh != NULL) return fresh;
  ls_storage_remove(segment_path); /* a full disk would otherwise gain two empty files a second */
  ls_storage_remove(text_path);
  return NULL;
}

bool ls_segment_open(const char *folder) {
  uint64_t started_ns = ls_now();
  join(segment_path, folder, ls_home->pid, started_ns, "segment");
  join(text_path, folder, ls_home->pid, started_ns, "text");
  struct lockscope_header *fresh = create_files();
  if (fresh == NULL) {
    go_blind();
    return false;
  }
  begin_header(fresh, ls_home->pid, started_ns);
  fresh->lost = __atomic_exchange_n(&untold.count, 0, __ATOMIC_RELAXED);
  fresh->blind_ns = __atomic_exchange_n(&untold.first_ns, 0, __ATOMIC_RELAXED);
  ls_room_open(folder);
  ls_room_occupy(first_bytes + sizeof LOCKSCOPE_TEXT_HEAD - 1);
  ls_segment.header = fresh;
  __atomic_store_n(&ls_segment.chunks[0], (struct lockscope_record *)(void *)((char *)fresh + LOCKSCOPE_HEADER_BYTES),
                   __ATOMIC_RELEASE);
  __atomic_store_n(&ls_segment.blind_until_ns, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&ls_home->begun, true, __ATOMIC_RELEASE);
  return true;
}

bool ls_segment_owes(void) {
  if (ls_home->begun || __atomic_load_n(&untold.count, __ATOMIC_RELAXED) == 0) return false;
  __atomic_store_n(&ls_segment.blind_until_ns, 0, __ATOMIC_RELAXED);
  return true;
}

static void provide_text(void) {
  /* From a page border on: what is reserved is written with zeros. */
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE),
           used = __atomic_load_n(&ls_segment.header->text_used, __ATOMIC_RELAXED);
  uint64_t first = (used + page - 1) / page * page;
  char *mapped = ls_storage_map(text_path, (off_t)first, AHEAD_TEXT);
  if (mapped == NULL) return;
  while (used < first && !__atomic_compare_exchange_n(&ls_segment.header->text_used, &used, first, false,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  text_ahead.first = first;
  __atomic_store_n(&text_ahead.mapped, mapped, __ATOMIC_RELEASE);
}

void ls_segment_provide(void) {
  struct ls_slow slow;
  if (!ls_begin() || !ls_at_home() || provided == ls_generation || !ls_slow_enter(&slow)) return;
  provided = ls_generation;
  for (int chunk = 0; chunk < AHEAD && ring == 0; chunk++) {
    if (!ls_room_for(chunk_bytes, first_bytes + newest * chunk_bytes) || grow(newest + 1) == NULL) break;
  }
  provide_text();
  ls_slow_leave(&slow);
}

void ls_segment_share(uid_t user) {
  ls_share_file(segment_path, user);
  ls_share_file(text_path, user);
}

void ls_segment_forget(void) {
  *ls_home = (struct ls_home){0, false, false};
  untold.count = untold.first_ns = ls_segment.blind_until_ns = 0;
  ls_storing.thread = 0;
  inside = false;
  for (size_t chunk = newest < LS_CHUNKS ? newest : LS_CHUNKS; chunk > 0; chunk--) {
    /* fork() in a signal handler may have interrupted a store, which goes on in the child when the handler returns. */
    if (ls_segment.chunks[chunk] != NULL && ls_storing.depth == 0)
      ls_storage_unmap(ls_segment.chunks[chunk], chunk_offset(1), chunk_bytes);
    ls_segment.chunks[chunk] = NULL;
  }
  if (upcoming != NULL) ls_storage_unmap(upcoming, chunk_offset(1), chunk_bytes);
  upcoming = NULL;
  if (text_ahead.mapped != NULL && ls_storing.depth == 0) ls_storage_unmap(text_ahead.mapped, 0, AHEAD_TEXT);
  text_ahead.mapped = NULL;
  newest = ring = solid = 0;
  if (ls_segment.header != NULL && ls_storing.depth == 0) ls_storage_unmap(ls_segment.header, 0, first_bytes);
  ls_segment.header = NULL;
  ls_segment.chunks[0] = NULL;
}
