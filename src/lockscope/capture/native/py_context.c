#include <string.h>

#include "contexts.h"
#include "mask.h"
#include "py_driver.h"

/* Sizes are powers of two. What is beyond the limits is not told apart, so that a program which makes up its SQL anew
 * each time fills neither the memory nor the disk. All tables live in pages that cost nothing until they are used. */
#define TEXTS 16384
#define CONTEXTS 32768
#define STATEMENTS 4096
#define CURSORS 4096
/* How long no text is tried after one could not be kept: where a disk is full, each try would cost system calls. */
#define PAUSE_NS 1000000000u

/* An entry counts if its generation is the segment's; an older one is an empty one. */
struct text_entry {
  uint64_t hash;
  uint32_t bytes, text;
  unsigned generation;
};

struct context_entry {
  uint32_t sql, source, number;
  unsigned generation;
};

struct cursor_entry {
  const void *cursor;
  struct ls_py_statement statement;
  unsigned generation;
};

static struct text_entry texts[TEXTS];           /* what was written */
static struct text_entry statements[STATEMENTS]; /* SQL as the program gave it, and what it became */
static struct context_entry contexts[CONTEXTS];
static struct cursor_entry cursors[CURSORS];

static unsigned generation; /* whose numbers these are */
static uint32_t text_count, context_count, beyond;
static uint64_t paused_until_ns;
static unsigned claimed; /* generation + 1 of the claim; a claim that a fork left behind does not count */

bool ls_py_claim(void) {
  unsigned mine = ls_generation + 1, seen = __atomic_load_n(&claimed, __ATOMIC_RELAXED);
  if (seen == mine || !__atomic_compare_exchange_n(&claimed, &seen, mine, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    return false;
  if (generation != ls_generation) {
    generation = ls_generation;
    text_count = context_count = beyond = 0;
    paused_until_ns = 0;
  }
  return true;
}

void ls_py_release(void) { __atomic_store_n(&claimed, 0, __ATOMIC_RELEASE); }

/* Eight bytes at a step, because SQL is hashed at every execute. */
static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0xff51afd7ed558ccdu;
  return hash ^ (hash >> 32);
}

static uint64_t hash_bytes(const char *bytes, size_t n) {
  uint64_t hash = n, word;
  for (; n >= sizeof word; n -= sizeof word, bytes += sizeof word) {
    memcpy(&word, bytes, sizeof word);
    hash = mix(hash, word);
  }
  word = 0;
  memcpy(&word, bytes, n);
  return mix(mix(hash, word), 0);
}

static bool same(const struct text_entry *entry, uint64_t hash, size_t n) {
  return entry->generation == generation && entry->text != 0 && entry->hash == hash && entry->bytes == (uint32_t)n;
}

static uint32_t write_text(const char *bytes, size_t n) {
  if (paused_until_ns != 0 && ls_now() < paused_until_ns) return 0;
  uint32_t text = ls_text(bytes, n);
  paused_until_ns = text == 0 ? ls_now() + PAUSE_NS : 0;
  return text;
}

static uint32_t text_beyond(void) {
  static const char words[] = "(more different texts than are kept)";
  if (beyond == 0) beyond = write_text(words, sizeof words - 1);
  return beyond;
}

uint32_t ls_py_text(const char *bytes, size_t n) {
  uint64_t hash = hash_bytes(bytes, n);
  struct text_entry *entry;
  for (size_t at = hash;; at++) {
    entry = &texts[at % TEXTS];
    if (same(entry, hash, n)) return entry->text;
    if (entry->generation != generation || entry->text == 0) break;
  }
  if (text_count >= TEXTS / 4 * 3) return text_beyond();
  uint32_t text = write_text(bytes, n);
  if (text == 0) return 0;
  text_count++;
  *entry = (struct text_entry){hash, (uint32_t)n, text, generation};
  return text;
}

uint32_t ls_py_sql_text(const char *sql, size_t n) {
  uint64_t hash = hash_bytes(sql, n);
  struct text_entry *entry = &statements[hash % STATEMENTS];
  if (same(entry, hash, n)) return entry->text;
  char kept[LS_MASK_ROOM];
  size_t bytes = ls_keep_literals() ? ls_fold_sql(sql, n, kept, sizeof kept) : ls_mask_sql(sql, n, kept, sizeof kept);
  uint32_t text = ls_py_text(kept, bytes);
  *entry = (struct text_entry){hash, (uint32_t)n, text, generation};
  return text;
}

static uint32_t new_context(struct context_entry *entry, uint32_t sql, uint32_t source) {
  uint32_t number = ls_context_number();
  context_count++;
  struct lockscope_record record = {
      .began_ns = ls_now(), .length = sql, .file = source, .context = number, .kind = LOCKSCOPE_CONTEXT};
  ls_record(&record);
  *entry = (struct context_entry){sql, source, number, generation};
  return number;
}

uint32_t ls_py_context(uint32_t sql, uint32_t source) {
  if (sql == 0) return 0;
  for (size_t at = (size_t)mix(sql, source);; at++) {
    struct context_entry *entry = &contexts[at % CONTEXTS];
    if (entry->generation != generation || entry->number == 0)
      return context_count < CONTEXTS / 4 * 3 ? new_context(entry, sql, source) : 0;
    if (entry->sql == sql && entry->source == source) return entry->number;
  }
}

static struct cursor_entry *cursor_at(const void *cursor) { return &cursors[mix(0, (uintptr_t)cursor >> 4) % CURSORS]; }

struct ls_py_statement ls_py_of_cursor(const void *cursor) {
  const struct cursor_entry *entry = cursor_at(cursor);
  if (entry->cursor == cursor && entry->generation == ls_generation) return entry->statement;
  return (struct ls_py_statement){0, 0};
}

void ls_py_keep_cursor(const void *cursor, struct ls_py_statement statement) {
  *cursor_at(cursor) = (struct cursor_entry){cursor, statement, ls_generation};
}
