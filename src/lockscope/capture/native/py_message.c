#include <stdbool.h>
#include <string.h>

#include "mask.h"

/* SQLITE_CONSTRAINT_TRIGGER, sqlite.org/rescode.html. */
#define CONSTRAINT_TRIGGER 1811
/* A longer word in quotes is taken for a value. */
#define NAME_BYTES 64

static const char TRIGGER_MESSAGE[] = "a trigger refused the change, in the program's own words";

/* Openings of messages that go on with the program's own words: a literal, a search term, a path. They stand in
 * SQLite's tokenize.c, attach.c, json.c, vdbe.c and ext/fts3, ext/fts5, and in CPython's Modules/_sqlite/cursor.c. */
static const char *const OPENINGS[] = {
    "unrecognized token: ",    "unable to open database: ",    "fts5: ",
    "unknown special query: ", "malformed MATCH expression: ", "JSON path error near ",
    "bad JSON path: ",         "CHECK constraint failed: ",    "Could not decode to UTF-8 column ",
};

struct text {
  const char *in;
  size_t n, at;
  char *out;
  size_t room, used;
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_word_byte(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool looks_like_name(const char *bytes, size_t n) {
  if (n == 0 || n > NAME_BYTES || is_digit(bytes[0])) return false;
  for (size_t i = 0; i < n; i++)
    if (!is_word_byte(bytes[i]) || (unsigned char)bytes[i] >= 0x80) return false;
  return true;
}

static void put(struct text *t, const char *bytes, size_t n) {
  if (n > t->room - t->used) n = t->room - t->used;
  memcpy(t->out + t->used, bytes, n);
  t->used += n;
}

static bool opens_with(const struct text *t, const char *opening) {
  size_t n = strlen(opening);
  return t->n >= n && memcmp(t->in, opening, n) == 0;
}

/* Where `c` stands last in the message, at or after `from`; the message's length where it does not. */
static size_t find_last(const struct text *t, char c, size_t from) {
  for (size_t at = t->n; at > from; at--)
    if (t->in[at - 1] == c) return at - 1;
  return t->n;
}

/* A keyword, a name or an operator, as `near "..."` shows it; no literal. */
static bool harmless_token(const char *bytes, size_t n) {
  if (looks_like_name(bytes, n)) return true;
  for (size_t i = 0; i < n; i++)
    if (is_word_byte(bytes[i]) || bytes[i] == '\'' || bytes[i] == '"') return false;
  return n > 0 && n <= 3;
}

/* `near "TOKEN": syntax error`: the token may be a string with quotes of both kinds in it. */
static bool near_token(struct text *t) {
  static const char opening[] = "near \"";
  size_t from = sizeof opening - 1;
  if (!opens_with(t, opening)) return false;
  size_t to = find_last(t, '"', from);
  put(t, opening, from);
  if (to < t->n && harmless_token(t->in + from, to - from))
    put(t, t->in + from, to - from);
  else
    put(t, "?", 1);
  put(t, "\": syntax error", 15);
  return true;
}

/* `no such column: NAME`: a name that is no plain name was a string in double quotes. */
static bool no_such(struct text *t) {
  if (!opens_with(t, "no such ")) return false;
  const char *colon = memchr(t->in, ':', t->n);
  if (colon == NULL) return false;
  size_t from = (size_t)(colon - t->in) + 1;
  for (size_t i = from; i < t->n; i++) {
    bool plain = (is_word_byte(t->in[i]) && (unsigned char)t->in[i] < 0x80) || t->in[i] == '.';
    if (plain || (i == from && t->in[i] == ' ')) continue;
    put(t, t->in, from);
    put(t, " ?", 2);
    return true;
  }
  put(t, t->in, t->n);
  return true;
}

static bool program_words(struct text *t) {
  for (size_t i = 0; i < sizeof OPENINGS / sizeof *OPENINGS; i++) {
    if (!opens_with(t, OPENINGS[i])) continue;
    put(t, OPENINGS[i], strlen(OPENINGS[i]));
    put(t, "?", 1);
    return true;
  }
  return false;
}

static bool is_quote(const struct text *t) {
  char c = t->in[t->at];
  bool inside_word = t->at > 0 && is_word_byte(t->in[t->at - 1]); /* the apostrophe of "can't" */
  return c == '"' || c == '`' || c == '[' || (c == '\'' && !inside_word);
}

/* A quoted part. One that is no name is hidden up to the last such quote, because it may hold quotes itself. */
static void quoted(struct text *t) {
  char closing = t->in[t->at] == '[' ? ']' : t->in[t->at];
  size_t inside = t->at + 1;
  const char *next = memchr(t->in + inside, closing, t->n - inside);
  size_t end = next == NULL ? t->n : (size_t)(next - t->in);
  bool ends = end < t->n && (end + 1 == t->n || !is_word_byte(t->in[end + 1]));
  if (ends && looks_like_name(t->in + inside, end - inside)) {
    put(t, t->in + t->at, end + 1 - t->at);
  } else {
    end = find_last(t, closing, inside);
    put(t, "?", 1);
  }
  t->at = end < t->n ? end + 1 : t->n;
}

static void word(struct text *t) {
  size_t begin = t->at;
  while (t->at < t->n && is_word_byte(t->in[t->at])) t->at++;
  if (is_digit(t->in[begin]))
    put(t, "?", 1);
  else
    put(t, t->in + begin, t->at - begin);
}

size_t ls_mask_message(const char *message, size_t n, unsigned code, char *out, size_t room) {
  struct text t = {.in = message, .n = n, .out = out, .room = room};
  if (code == CONSTRAINT_TRIGGER) {
    put(&t, TRIGGER_MESSAGE, sizeof TRIGGER_MESSAGE - 1);
    return t.used;
  }
  if (program_words(&t) || near_token(&t) || no_such(&t)) return t.used;
  while (t.at < t.n && t.used < t.room) {
    if (is_quote(&t))
      quoted(&t);
    else if (is_word_byte(t.in[t.at]))
      word(&t);
    else
      put(&t, t.in + t.at++, 1);
  }
  return t.used;
}
