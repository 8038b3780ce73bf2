/* Command lines as a trace may keep them: `sqlite3 app.db "insert into t values ('a secret')"` names what it stores.
 *
 * capture/arguments.py is this page in Python. What is in quotes is not told apart as SQL, a shell or another language
 * would tell it, so all of it goes; where even that is ambiguous, so does the rest of the argument. */
#include "real.h"

#include "arguments.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const char *const verbs[] = {"select", "insert", "update", "delete", "replace", "create", "alter",
                                    "drop",   "pragma", "values", "where",  "attach",  "explain"};

struct output {
  char *bytes;
  size_t room, used;
};

static void put(struct output *out, const char *bytes, size_t n) {
  if (n > out->room - out->used) n = out->room - out->used;
  memcpy(out->bytes + out->used, bytes, n);
  out->used += n;
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool is_quote(char c) { return c == '\'' || c == '"' || c == '`'; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_word(char c) {
  return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool is_verb(const char *at, const char *end) {
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    size_t n = strlen(verbs[i]);
    if ((size_t)(end - at) <= n || strncasecmp(at, verbs[i], n) != 0) continue;
    if (is_space(at[n]) || is_quote(at[n]) || at[n] == '(' || at[n] == '*' || at[n] == '[') return true;
  }
  return false;
}

/* "/srv/update/" and "--create" are none. */
static bool looks_like_sql(const char *argument, const char *end) {
  for (const char *at = argument; at < end; at++) {
    bool begins = at == argument || is_space(at[-1]) || is_quote(at[-1]) || strchr(";(=", at[-1]) != NULL;
    if (begins && is_verb(at, end)) return true;
  }
  return false;
}

/* The end of a quoted piece, `end` where it has none; also where a backslash may have taken a quote's meaning away. */
static const char *behind_quoted(const char *at, const char *end) {
  const char quote = *at;
  for (const char *before = at++; at < end; before = at++) {
    if (*at != quote) continue;
    if (*before == '\\') return end;
    if (at + 1 == end || at[1] != quote) return at + 1;
    at++;
  }
  return end;
}

static const char *behind_comment(const char *at, const char *end) {
  if (*at == '-') {
    while (at < end && *at != '\n') at++;
    return at;
  }
  for (at += 2; at + 1 < end; at++) {
    if (at[0] == '*' && at[1] == '/') return at + 2;
  }
  return end;
}

static bool opens_comment(const char *at, const char *end) {
  return at + 1 < end && ((at[0] == '-' && at[1] == '-') || (at[0] == '/' && at[1] == '*'));
}

static void mask(struct output *out, const char *argument, const char *end) {
  for (const char *at = argument, *from; at < end;) {
    from = at;
    if (is_quote(*at)) {
      at = behind_quoted(at, end);
      put(out, "?", 1);
    } else if (opens_comment(at, end)) {
      at = behind_comment(at, end);
    } else if (is_digit(*at) && (at == argument || !is_word(at[-1]))) {
      while (at < end && (is_word(*at) || *at == '.')) at++;
      put(out, "?", 1);
    } else {
      const char *closed = *at == '[' ? memchr(at, ']', (size_t)(end - at)) : NULL;
      at = closed != NULL ? closed + 1 : at + 1;
      put(out, from, (size_t)(at - from));
    }
  }
}

size_t ls_mask_arguments(const char *arguments, size_t n, char *into, size_t room) {
  struct output out = {into, room, 0};
  const char *end = arguments + n;
  for (const char *at = arguments; at < end;) {
    const char *behind = memchr(at, '\0', (size_t)(end - at));
    if (behind == NULL) behind = end;
    if (at > arguments) put(&out, " ", 1);
    if (looks_like_sql(at, behind))
      mask(&out, at, behind);
    else
      put(&out, at, (size_t)(behind - at));
    at = behind + 1;
  }
  return out.used;
}
