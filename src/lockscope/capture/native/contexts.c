/* Statements told apart by their shape: what is left of SQL when literals and comments are taken out.
 *
 * A program that writes its values into its SQL has a new text for each statement, and masking each would cost half of
 * a small transaction's budget. Texts of one shape mask to one text, so only the first of them is masked. */
#include "real.h"

#include "contexts.h"

#include "mask.h"
#include "segment.h"
#include "slow.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* A power of two; beyond three quarters of it, statements have no number. */
enum { CONTEXTS = 4096 };

/* An entry counts if its generation is the segment's: `state` is the generation above the number. */
struct entry {
  uint64_t shape;
  uint64_t state;
};

static struct entry entries[CONTEXTS];
static unsigned counted_in; /* generation whose entries `used` counts */
static uint32_t used;

uint32_t ls_context_number(void) {
  static uint32_t last;
  return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

static bool is_word(unsigned char c) {
  return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c == '$' || c >= 128;
}

/* The end of what opens at `at`: behind `close`, or `end` where that is missing. */
static const char *behind(const char *at, const char *end, char close) {
  const char *found = at + 1 < end ? memchr(at + 1, close, (size_t)(end - at - 1)) : NULL;
  return found == NULL ? end : found + 1;
}

static const char *behind_comment(const char *at, const char *end) {
  if (*at == '-') return behind(at, end, '\n');
  for (at += 2; at + 1 < end; at++) {
    if (at[0] == '*' && at[1] == '/') return at + 2;
  }
  return end;
}

static bool opens_comment(const char *at, const char *end) {
  return at + 1 < end && ((at[0] == '-' && at[1] == '-') || (at[0] == '/' && at[1] == '*'));
}

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
  return hash ^ hash >> 32;
}

/* Eight bytes at a step: SQL is hashed whenever it is prepared. */
static uint64_t mix_all(uint64_t hash, const char *from, const char *to) {
  uint64_t word;
  for (; to - from >= (ptrdiff_t)sizeof word; from += sizeof word) {
    memcpy(&word, from, sizeof word);
    hash = mix(hash, word);
  }
  if (from == to) return hash;
  word = (uint64_t)(to - from) << 56;
  memcpy(&word, from, (size_t)(to - from));
  return mix(hash, word);
}

/* Whether a byte may begin what is no part of a shape, or end the statement. */
static bool is_special(unsigned char c) {
  return c <= '9' ? c >= '0' || c == '\'' || c == '"' || c == '-' || c == '/' : c == ';' || c == '[' || c == '`';
}

#if defined(__SSE2__)
/* The first special byte of sixteen, 16 for none. */
static unsigned first_special(const char *at) {
  const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
#define LS_IS(c) _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c))
  __m128i quotes = _mm_or_si128(_mm_or_si128(LS_IS('\''), LS_IS('"')), _mm_or_si128(LS_IS('`'), LS_IS('[')));
  __m128i signs = _mm_or_si128(_mm_or_si128(LS_IS('-'), LS_IS(';')), LS_IS('/'));
#undef LS_IS
  __m128i above = _mm_subs_epu8(bytes, _mm_set1_epi8('9')), below = _mm_subs_epu8(_mm_set1_epi8('0'), bytes);
  __m128i digits = _mm_cmpeq_epi8(_mm_or_si128(above, below), _mm_setzero_si128());
  int found = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, signs), digits));
  return found == 0 ? 16 : (unsigned)__builtin_ctz((unsigned)found);
}
#endif

/* The end of a run of bytes that open nothing. */
static const char *behind_plain(const char *at, const char *end) {
#if defined(__SSE2__)
  for (unsigned n = 16; n == 16 && end - at >= 16; at += n) n = first_special(at);
  if (end - at >= 16) return at;
#endif
  while (at < end && !is_special((unsigned char)*at)) at++;
  return at;
}

/* A trigger holds semicolons of its own and is read whole: CREATE [TEMP|TEMPORARY] TRIGGER. */
static bool makes_trigger(const char *sql, size_t n) {
  enum { LOOKED_AT = 40 };
  if (n < 6 || (*sql | 32) != 'c' || strncasecmp(sql, "create", 6) != 0) return false;
  for (size_t at = 6; at + 7 <= n && at < LOOKED_AT; at++) {
    if (strncasecmp(sql + at, "trigger", 7) == 0) return true;
  }
  return false;
}

/* The shape of the first statement, and in `n` its length. */
static uint64_t shape_of(const char *sql, size_t *n) {
  const char *at = sql, *end = sql + *n;
  bool whole = makes_trigger(sql, *n), literals = ls_keep_literals();
  uint64_t hash = UINT64_C(14695981039346656037);
  unsigned char before = ' ';
  while (at < end) {
    const char *from = at;
    at = behind_plain(at, end);
    if (at > from) {
      hash = mix_all(hash, from, at);
      before = (unsigned char)at[-1];
      continue;
    }
    unsigned char c = (unsigned char)*at;
    if (c == ';' && !whole) break;
    if (c == '\'' || c == '"' || c == '`' || c == '[') {
      at = behind(at, end, c == '[' ? ']' : (char)c);
      bool closed = at > from + 1 && at[-1] == (c == '[' ? ']' : (char)c);
      hash = c == '\'' && !literals ? mix(hash, closed ? '\'' : 1) : mix_all(hash, from, at);
    } else if ((c == '-' || c == '/') && opens_comment(at, end)) {
      at = behind_comment(at, end);
      hash = mix(hash, ' ');
      c = ' ';
    } else if (c >= '0' && c <= '9' && !is_word(before) && !literals) {
      while (at < end && *at >= '0' && *at <= '9') at++;
      hash = mix(hash, '0');
    } else {
      at++;
      hash = mix(hash, c);
    }
    before = c;
  }
  *n = (size_t)(at - sql);
  hash ^= hash >> 32;
  return hash != 0 ? hash : 1;
}

static uint32_t number_in(const struct entry *entry, uint64_t shape, bool *is_free) {
  uint64_t state = __atomic_load_n(&entry->state, __ATOMIC_ACQUIRE);
  *is_free = (unsigned)(state >> 32) != ls_generation;
  return !*is_free && entry->shape == shape ? (uint32_t)state : 0;
}

/* What a new number stands for: a statement, or a place where none runs. */
struct subject {
  uint64_t shape;
  const char *bytes;
  size_t n;
  bool is_line;
};

static uint32_t text_of(const struct subject *subject) {
  char kept[LS_MASK_ROOM];
  const char *sql = subject->bytes;
  if (subject->is_line) return ls_text(sql, subject->n);
  size_t bytes = ls_keep_literals() ? ls_fold_sql(sql, subject->n, kept, sizeof kept)
                                    : ls_mask_sql(sql, subject->n, kept, sizeof kept);
  return bytes == 0 ? 0 : ls_text(kept, bytes);
}

static uint32_t write_context(const struct subject *subject) {
  if (!ls_begin()) return 0; /* before the text is masked for nothing, once for each statement */
  uint32_t text = text_of(subject);
  if (text == 0) return 0;
  struct lockscope_record record = {
      .kind = LOCKSCOPE_CONTEXT,
      .began_ns = ls_now(),
      .length = subject->is_line ? 0 : text,
      .file = subject->is_line ? text : 0,
      .context = ls_context_number(),
  };
  ls_record(&record);
  return record.context;
}

/* Find a place for a new shape; only with the recorder's lock. */
static uint32_t add(const struct subject *subject) {
  if (counted_in != ls_generation) used = 0;
  counted_in = ls_generation;
  if (used >= CONTEXTS / 4 * 3) return 0;
  for (size_t at = (size_t)subject->shape;; at++) {
    struct entry *entry = &entries[at % CONTEXTS];
    bool is_free;
    uint32_t number = number_in(entry, subject->shape, &is_free);
    if (number != 0) return number;
    if (!is_free) continue;
    number = write_context(subject);
    if (number == 0) return 0;
    used++;
    entry->shape = subject->shape;
    __atomic_store_n(&entry->state, (uint64_t)ls_generation << 32 | number, __ATOMIC_RELEASE);
    return number;
  }
}

static uint32_t number_of(const struct subject *subject) {
  for (size_t at = (size_t)subject->shape, looked = 0; looked < CONTEXTS; at++, looked++) {
    bool is_free;
    uint32_t number = number_in(&entries[at % CONTEXTS], subject->shape, &is_free);
    if (number != 0) return number;
    if (is_free) break;
  }
  struct ls_slow slow;
  if (!ls_slow_enter(&slow)) return 0;
  uint32_t number = add(subject);
  ls_slow_leave(&slow);
  return number;
}

uint32_t ls_context_of_sql(const char *sql, size_t n) {
  if (sql == NULL) return 0;
  size_t length = strnlen(sql, n < LS_MASK_ROOM ? n : LS_MASK_ROOM);
  while (length > 0 && (*sql == ' ' || *sql == '\n' || *sql == '\t' || *sql == '\r')) sql++, length--;
  uint64_t shape = shape_of(sql, &length);
  if (length == 0) return 0;
  return number_of(&(struct subject){shape, sql, length, false});
}

uint32_t ls_context_of_line(const char *line, size_t n) {
  uint64_t shape = mix_all(mix(1, n), line, line + n); /* from another beginning than a statement's */
  return number_of(&(struct subject){shape != 0 ? shape : 1, line, n, true});
}
