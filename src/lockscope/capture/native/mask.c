#include "mask.h"

#include <stdbool.h>
#include <string.h>

/* Literals of one list that are written before the rest becomes an ellipsis. */
#define LIST_SHOWN 3
/* A longer word in double quotes is taken for a value; sqlite.org/limits.html sets no limit to a name. */
#define NAME_BYTES 64

enum gap { GAP_NONE, GAP_SPACE, GAP_COMMA };
enum token { TOKEN_NONE, TOKEN_LITERAL, TOKEN_COMMA, TOKEN_OPEN, TOKEN_OTHER };

struct scan {
  const char *in;
  size_t n, at;
  char *out;
  size_t room, used;
  bool keep;    /* literals stay as they are */
  bool cut;     /* something did not fit */
  enum gap gap; /* what stands between the last token and the next one */
  enum token last;
  unsigned run;  /* literals of the list so far */
  bool in_group; /* `group` is the last "(" written, and nothing was nested in it */
  size_t group;
  bool have_row; /* a row of literals ended at `row_end`, maybe with ", ..." behind it */
  size_t row, row_bytes, row_end;
};

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0'; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/* The bytes that go on with a name: IdChar() in SQLite's tokenize.c. */
static bool is_name_byte(char c) { return is_letter(c) || is_digit(c) || c == '$' || (unsigned char)c >= 0x80; }

static bool looks_like_name(const char *text, size_t n) {
  if (n == 0 || n > NAME_BYTES || !is_letter(text[0])) return false;
  for (size_t i = 1; i < n; i++)
    if (!is_name_byte(text[i]) || (unsigned char)text[i] >= 0x80) return false;
  return true;
}

static void put(struct scan *s, const char *bytes, size_t n) {
  if (s->cut) return;
  if (n > s->room - s->used) {
    n = s->room - s->used;
    s->cut = true;
  }
  memcpy(s->out + s->used, bytes, n);
  s->used += n;
}

static void put_gap(struct scan *s) {
  if (s->gap == GAP_COMMA) {
    put(s, ", ", 2);
  } else if (s->gap == GAP_SPACE && s->used > 0 && s->last != TOKEN_OPEN) {
    put(s, " ", 1);
  }
  s->gap = GAP_NONE;
}

static void other(struct scan *s, const char *bytes, size_t n) {
  put_gap(s);
  put(s, bytes, n);
  s->last = TOKEN_OTHER;
  s->run = 0;
}

static void literal(struct scan *s, size_t begin) {
  if (s->keep) {
    other(s, s->in + begin, s->at - begin);
    return;
  }
  s->run = s->last == TOKEN_COMMA ? s->run + 1 : 1;
  if (s->run > LIST_SHOWN + 1) s->gap = GAP_NONE;
  put_gap(s);
  if (s->run <= LIST_SHOWN) {
    put(s, "?", 1);
  } else if (s->run == LIST_SHOWN + 1) {
    put(s, "...", 3);
  }
  s->last = TOKEN_LITERAL;
}

/* Step over a quoted piece whose opening quote is at s->at; false where its end is missing. */
static bool skip_quoted(struct scan *s, char closing, bool doubled) {
  for (s->at++; s->at < s->n; s->at++) {
    if (s->in[s->at] != closing) continue;
    if (!doubled || s->at + 1 >= s->n || s->in[s->at + 1] != closing) {
      s->at++;
      return true;
    }
    s->at++;
  }
  return false;
}

static void quoted_name(struct scan *s, char closing) {
  size_t begin = s->at;
  bool whole = skip_quoted(s, closing, closing != ']');
  size_t inside = whole ? s->at - begin - 2 : 0;
  bool name = closing != '"' || looks_like_name(s->in + begin + 1, inside);
  if (whole && name)
    other(s, s->in + begin, s->at - begin);
  else
    literal(s, begin);
}

static void string(struct scan *s, size_t begin) {
  skip_quoted(s, '\'', true);
  literal(s, begin);
}

static void number(struct scan *s, size_t begin) {
  while (s->at < s->n) {
    char c = s->in[s->at];
    bool exponent = s->at > begin && (s->in[s->at - 1] | 0x20) == 'e' && (c == '+' || c == '-') && s->at + 1 < s->n &&
                    is_digit(s->in[s->at + 1]);
    if (!is_name_byte(c) && c != '.' && !exponent) break;
    s->at++;
  }
  literal(s, begin);
}

static void word(struct scan *s) {
  size_t begin = s->at;
  while (s->at < s->n && is_name_byte(s->in[s->at])) s->at++;
  bool blob = s->at - begin == 1 && (s->in[begin] | 0x20) == 'x';
  if (blob && s->at < s->n && s->in[s->at] == '\'')
    string(s, begin);
  else
    other(s, s->in + begin, s->at - begin);
}

static void parameter(struct scan *s) {
  size_t begin = s->at++;
  while (s->at < s->n && is_name_byte(s->in[s->at])) s->at++;
  if (s->in[begin] == '?' && s->at - begin == 1)
    literal(s, begin);
  else
    other(s, s->in + begin, s->at - begin);
}

static void comma(struct scan *s) {
  s->at++;
  if (s->gap == GAP_COMMA) put_gap(s);
  if (s->last != TOKEN_LITERAL) s->run = 0;
  s->gap = GAP_COMMA;
  s->last = TOKEN_COMMA;
}

static void open_group(struct scan *s) {
  other(s, "(", 1);
  s->group = s->used - (s->cut ? 0 : 1);
  s->in_group = !s->cut;
  s->last = TOKEN_OPEN;
  s->at++;
}

/* Fold a row of literals that repeats the row before it into ", ...". */
static void fold_row(struct scan *s) {
  size_t bytes = s->used - s->group;
  bool beside = s->have_row && s->group == s->row_end + 2 && memcmp(s->out + s->row_end, ", ", 2) == 0;
  if (beside && bytes == s->row_bytes && memcmp(s->out + s->row, s->out + s->group, bytes) == 0) {
    bool folded = s->row_end > s->row + s->row_bytes;
    s->used = s->row_end;
    if (!folded) put(s, ", ...", 5);
  } else {
    s->row = s->group;
    s->row_bytes = bytes;
    s->have_row = s->out[s->group + 1] == '?';
  }
  s->row_end = s->used;
}

static void close_group(struct scan *s) {
  if (s->gap == GAP_SPACE) s->gap = GAP_NONE;
  other(s, ")", 1);
  s->at++;
  if (s->in_group && !s->cut && !s->keep) fold_row(s);
  s->in_group = false;
}

static bool starts(const struct scan *s, char first, char second) {
  return s->in[s->at] == first && s->at + 1 < s->n && s->in[s->at + 1] == second;
}

/* Step over white space or a comment, if that is what comes next. */
static bool skip_blank(struct scan *s) {
  size_t begin = s->at;
  if (is_space(s->in[s->at])) {
    s->at++;
  } else if (starts(s, '-', '-')) {
    while (s->at < s->n && s->in[s->at] != '\n') s->at++;
  } else if (starts(s, '/', '*')) {
    s->at += 2;
    while (s->at < s->n && !starts(s, '*', '/')) s->at++;
    s->at = s->at < s->n ? s->at + 2 : s->n;
  }
  if (s->at > begin && s->gap == GAP_NONE) s->gap = GAP_SPACE;
  return s->at > begin;
}

/* A number comes next: digits, a fraction without them, or a sign that can only belong to the number. */
static bool at_number(const struct scan *s) {
  size_t i = s->at;
  bool alone = s->last == TOKEN_OPEN || s->last == TOKEN_COMMA;
  if (alone && (s->in[i] == '-' || s->in[i] == '+')) i++;
  if (i < s->n && s->in[i] == '.') i++;
  return i < s->n && is_digit(s->in[i]);
}

static void token(struct scan *s) {
  char c = s->in[s->at];
  if (at_number(s)) {
    size_t begin = s->at++;
    number(s, begin);
  } else if (c == '\'') {
    string(s, s->at);
  } else if (c == '"' || c == '`') {
    quoted_name(s, c);
  } else if (c == '[') {
    quoted_name(s, ']');
  } else if (c == '?' || c == ':' || c == '@' || c == '$' || c == '#') {
    parameter(s);
  } else if (is_name_byte(c)) {
    word(s);
  } else if (c == ',') {
    comma(s);
  } else if (c == '(') {
    open_group(s);
  } else if (c == ')') {
    close_group(s);
  } else {
    other(s, s->in + s->at++, 1);
  }
}

/* Take away what is left of a character that was cut in two: a text file holds UTF-8. */
static size_t whole_characters(const char *out, size_t used) {
  while (used > 0 && ((unsigned char)out[used - 1] & 0xc0) == 0x80) used--;
  if (used > 0 && (unsigned char)out[used - 1] >= 0xc0) used--;
  return used;
}

static size_t finish(struct scan *s) {
  if (s->cut) {
    s->used = whole_characters(s->out, s->used);
    memcpy(s->out + s->used, "...", 3);
    return s->used + 3;
  }
  while (s->used > 0 && (s->out[s->used - 1] == ';' || s->out[s->used - 1] == ' ')) s->used--;
  return s->used;
}

static size_t scan_sql(const char *sql, size_t n, char *out, size_t room, bool keep) {
  if (room < 3) return 0;
  struct scan s = {.in = sql, .n = n, .out = out, .room = room - 3, .keep = keep};
  while (s.at < s.n && !s.cut)
    if (!skip_blank(&s)) token(&s);
  if (s.gap == GAP_COMMA) put_gap(&s);
  return finish(&s);
}

size_t ls_mask_sql(const char *sql, size_t n, char *out, size_t room) { return scan_sql(sql, n, out, room, false); }

size_t ls_fold_sql(const char *sql, size_t n, char *out, size_t room) { return scan_sql(sql, n, out, room, true); }
