/* A segment on disk and in memory: where the next record and the next text go. */
#ifndef LOCKSCOPE_SEGMENT_H
#define LOCKSCOPE_SEGMENT_H

#include "counters.h"
#include "recorder.h"

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* What a forked child must not inherit. The page is wiped by the kernel in every child with memory of its own
 * (MADV_WIPEONFORK in madvise(2)), also in one that was forked by a bare system call. */
struct ls_home {
  pid_t pid;     /* the process that is traced, 0 none */
  bool begun;    /* it has a segment; making one would cost a program without a database a fifth of its start */
  bool watching; /* this process has locked a database: everything else costs nothing until then */
};

/* Never NULL: in a process that is not traced it is all zero. */
extern struct ls_home *ls_home;

/* From here on this process is traced. */
void ls_segment_settle(void);

/* Open a fresh segment for this process in the trace's folder; false where that cannot be done. */
bool ls_segment_open(const char *folder);

/* Begin the segment, if this process has none yet: it has something to tell. False where that cannot be done now; then
 * whatever was to be told is lost. */
bool ls_begin(void);

/* Whether the last look for space failed so lately that none is taken. */
bool ls_is_blind(void);

/* Whether something was lost for want of a segment; then the next try to begin one is not put off. */
bool ls_segment_owes(void);

/* Map room ahead for records and texts, once for each segment: the process is about to lose its way to the folder. */
void ls_segment_provide(void);

/* Let a user that this process is about to become go on with this segment. Changes errno. */
void ls_segment_share(uid_t user);

/* In a forked child: let go of the parent's segment. */
void ls_segment_forget(void);

/* Whether this call runs in the process that is traced, and not in its vfork child, which shares our memory but neither
 * its descriptors nor its locks. A system call: for rare paths only. */
bool ls_at_home(void);

/* Something could not be kept. */
void ls_lose(void);

/* Most programs never lock much: 48 KB for them, then 768 KB at a time. One table entry a chunk: 1,073 million records,
 * 51 GB, and what comes after is counted as lost. */
enum { LS_FIRST_RECORDS = 1024, LS_CHUNK_RECORDS = 16384, LS_CHUNKS = 65536 };

extern struct ls_segment {
  struct lockscope_header *header; /* NULL: none is open */
  uint64_t blind_until_ns;
  struct lockscope_record *chunks[1 + LS_CHUNKS]; /* the first is a part of the header's mapping */
} ls_segment;

extern __thread struct ls_storing {
  uint32_t thread;
  int depth; /* records that this thread is storing, one inside the other through signal handlers */
} ls_storing;

static inline struct lockscope_record **ls_entry_of(size_t chunk) {
  return &ls_segment.chunks[chunk == 0 ? 0 : 1 + (chunk - 1) % LS_CHUNKS];
}

static inline size_t ls_chunk_of(uint64_t slot) {
  return slot < LS_FIRST_RECORDS ? 0 : (size_t)((slot - LS_FIRST_RECORDS) / LS_CHUNK_RECORDS) + 1;
}

static inline size_t ls_index_of(uint64_t slot) {
  return (size_t)(slot < LS_FIRST_RECORDS ? slot : (slot - LS_FIRST_RECORDS) % LS_CHUNK_RECORDS);
}

static inline bool ls_has_own_context(uint8_t kind) {
  const uint32_t own =
      1U << LOCKSCOPE_PROCESS | 1U << LOCKSCOPE_CONTEXT | 1U << LOCKSCOPE_STATEMENT | 1U << LOCKSCOPE_OUTCOME;
  return (own >> kind & 1U) != 0;
}

static inline void ls_store(struct lockscope_record *at, const struct lockscope_record *record, uint64_t slot) {
  at->began_ns = record->began_ns;
  at->duration_ns = record->duration_ns;
  at->start = record->start;
  at->length = record->length;
  at->thread = ls_storing.thread;
  at->file = record->file;
  at->context = ls_has_own_context(record->kind) ? record->context : ls_context;
  at->kind = record->kind;
  at->mode = record->mode;
  at->error = record->error;
  __atomic_store_n(&at->sequence, (uint32_t)(slot % UINT32_MAX) + 1, __ATOMIC_RELEASE);
}

/* Where a slot's chunk is not there, and where no slot can be had as things are. */
void ls_record_slowly(struct lockscope_record record, struct lockscope_header *segment, uint64_t slot);
void ls_record_first(struct lockscope_record record);

/* `ls_record` for what is called so often that it would be seen: where only copies leave the caller's function, the
 * record never lies in memory before it lies in the segment. */
static inline void ls_record_now(const struct lockscope_record *record) {
  ls_storing.depth++;
  bool begun = __atomic_load_n(&ls_home->begun, __ATOMIC_ACQUIRE);
  struct lockscope_header *segment = begun ? ls_segment.header : NULL;
  uint64_t blind_until_ns = __atomic_load_n(&ls_segment.blind_until_ns, __ATOMIC_RELAXED);
  bool ready = segment != NULL && ls_storing.thread != 0 && record->began_ns >= blind_until_ns;
  if (__builtin_expect(ready, true)) {
    uint64_t slot = ls_add(&segment->next, 1);
    struct lockscope_record *records = __atomic_load_n(ls_entry_of(ls_chunk_of(slot)), __ATOMIC_ACQUIRE);
    if (__builtin_expect(records != NULL, true)) {
      ls_store(&records[ls_index_of(slot)], record, slot);
    } else {
      ls_record_slowly(*record, segment, slot);
    }
  } else {
    ls_record_first(*record);
  }
  ls_storing.depth--;
}

/* Field 22 of /proc/self/stat, 0 unknown. */
uint64_t ls_process_start(void);

/* Read a file of /proc into `room` bytes, NUL-terminated; gives its length, 0 where it cannot be read. */
size_t ls_read_proc(const char *path, char *into, size_t room);

#endif
