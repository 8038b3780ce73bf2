#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "py_driver.h"

/* The line of Python that a thread is running, read while it does not have the interpreter's lock: os.close and all
 * that closes a file give the lock up around the system call.
 *
 * The frames of a thread are its own: nobody else changes them while it is inside the call, and they keep their code
 * alive. No reference is counted and nothing of CPython is called. Every byte is read through process_vm_readv(2),
 * which fails where a plain read would be a SIGSEGV: a daemon thread's frames may go while the interpreter shuts down.
 *
 * Where things stand is not taken from headers but searched for once, with the lock held, in a frame whose code and
 * instruction CPython itself has told; what is not found leaves all of this off. */

/* Words of PyThreadState and of a frame that are searched. */
#define STATE_WORDS 64
#define FRAME_WORDS 12
/* Frames that are looked at for one of the program's own. */
#define DEEPEST 256
/* How often the places are searched for: the first audit event may come where there is no frame. */
#define TRIES 8

/* PyObject and PyVarObject, Include/object.h; PyBytesObject; PyASCIIObject: bytes. */
#define TYPE_AT 8
#define SIZE_AT 16
#define BYTES_AT 32
#define STRING_STATE_AT 32
/* PyTypeObject.tp_basicsize; PyFrameObject.f_frame, Include/internal/pycore_frame.h. */
#define BASIC_SIZE_AT 32
#define INNER_FRAME_AT 24

/* The kinds of strings: ASCII, Latin-1, UCS-2, UCS-4 (PEP 393), and the bytes of a character. In a string's state three
 * bits are that number, and the fifth from there on tells ASCII; the other bits are something else or nothing. */
enum { KINDS = 4 };
static const unsigned width[KINDS] = {1, 1, 2, 4};

static struct {
  size_t current; /* in PyThreadState: the frame, or (3.11, 3.12) the way to it, where it stands at `way` */
  size_t way;
  bool by_way;
  size_t code, previous, instruction; /* in a frame */
  size_t filename, table, first_line; /* in a code object */
  size_t instructions;                /* where they begin in a code object */
  size_t characters[KINDS];           /* where they begin in a string */
  unsigned kind_bit;                  /* of a string's state */
} at;
static bool ready;
static int tries;

static bool peek(const void *from, void *into, size_t n) {
  struct iovec ours = {into, n}, theirs = {(void *)(uintptr_t)from, n};
  int before = errno;
  bool whole = syscall(SYS_process_vm_readv, getpid(), &ours, 1UL, &theirs, 1UL, 0UL) == (long)n;
  errno = before;
  return whole;
}

/* 0 where it cannot be read. */
static uintptr_t word(const void *base, size_t offset) {
  uintptr_t found;
  return base != NULL && peek((const char *)base + offset, &found, sizeof found) ? found : 0;
}

static const void *pointer(const void *base, size_t offset) { return (const void *)word(base, offset); }

static bool is_a(const void *object, const py_object *type) { return pointer(object, TYPE_AT) == type; }

static const void *innermost(const void *state) {
  const void *found = pointer(state, at.current);
  return at.by_way ? pointer(found, at.way) : found;
}

/* The code that a frame runs; NULL for a frame of the interpreter's own. The lowest bits are a tag (3.14). */
static const void *code_of(const void *frame) {
  const void *code = (const void *)(word(frame, at.code) & ~(uintptr_t)7);
  return is_a(code, py.PyCode_Type) ? code : NULL;
}

struct bytes {
  const char *from;
  size_t left, used, have;
  unsigned char kept[512];
};

/* The next byte, which stays the next; -1 at the end. */
static int next_byte(struct bytes *bytes) {
  if (bytes->used < bytes->have) return bytes->kept[bytes->used];
  size_t n = bytes->left < sizeof bytes->kept ? bytes->left : sizeof bytes->kept;
  if (n == 0 || !peek(bytes->from, bytes->kept, n)) return -1;
  bytes->from += n;
  bytes->left -= n;
  bytes->have = n;
  bytes->used = 0;
  return bytes->kept[0];
}

static int take_byte(struct bytes *bytes) {
  int byte = next_byte(bytes);
  if (byte >= 0) bytes->used++;
  return byte;
}

/* Six bits a byte, the lowest first, the sign in the first of them. */
static int take_signed(struct bytes *bytes) {
  unsigned value = 0;
  int byte = 0x40;
  for (unsigned shift = 0; shift < 30 && (byte & 0x40) != 0 && (byte = take_byte(bytes)) >= 0; shift += 6)
    value |= (unsigned)(byte & 0x3f) << shift;
  return (value & 1) != 0 ? -(int)(value >> 1) : (int)(value >> 1);
}

/* The line of an instruction by the location table (Objects/locations.md of CPython 3.11); 0 where it has none. */
static int line_of(const void *code, size_t instruction) {
  const char *table = pointer(code, at.table);
  int line = 0;
  if (!is_a(table, py.PyBytes_Type) || !peek((const char *)code + at.first_line, &line, sizeof line)) return 0;
  struct bytes bytes = {.from = table + BYTES_AT, .left = word(table, SIZE_AT)};
  for (size_t behind = 0; next_byte(&bytes) >= 0x80;) {
    int entry = take_byte(&bytes), form = entry >> 3 & 15;
    if (form >= 10 && form <= 12) line += form - 10;
    if (form == 13 || form == 14) line += take_signed(&bytes);
    while (next_byte(&bytes) >= 0 && next_byte(&bytes) < 0x80) take_byte(&bytes);
    behind += 2 * ((size_t)(entry & 7) + 1);
    if (instruction < behind) return form == 15 ? 0 : line;
  }
  return 0;
}

static size_t utf8(char *into, uint32_t c) {
  if (c < 0x80 || (c >= 0xdc80 && c <= 0xdcff)) { /* a byte that was none of UTF-8 (PEP 383) */
    into[0] = (char)(c & 0xff);
    return 1;
  }
  size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = n; i-- > 1; c >>= 6) into[i] = (char)(0x80 | (c & 0x3f));
  into[0] = (char)((0xf0 << (4 - n)) | c);
  return n;
}

static bool has_kind(uint32_t state, unsigned bit, int kind) {
  return (state >> bit & 7) == width[kind] && (state >> (bit + 4) & 1) == (kind == 0);
}

/* The UTF-8 of a string; its length, 0 where it does not fit or is no string. */
static size_t characters_of(const void *string, char *into, size_t room) {
  size_t length = word(string, SIZE_AT), n = 0;
  if (!is_a(string, py.PyUnicode_Type) || length >= room / 4) return 0;
  int kind = 0;
  while (kind < KINDS && !has_kind((uint32_t)word(string, STRING_STATE_AT), at.kind_bit, kind)) kind++;
  if (kind == KINDS) return 0;
  struct bytes bytes = {.from = (const char *)string + at.characters[kind], .left = length * width[kind]};
  for (size_t i = 0; i < length; i++) {
    uint32_t c = 0;
    for (unsigned byte = 0; byte < width[kind]; byte++) c |= (uint32_t)(take_byte(&bytes) & 0xff) << (8 * byte);
    n += utf8(into + n, c);
  }
  return n;
}

/* What is at `code`, as "path:line"; 0 where it is a library's, or cannot be told. */
static size_t describe(const void *frame, const void *code, bool any, char *into, size_t room) {
  size_t n = characters_of(pointer(code, at.filename), into, room - 16);
  if (n == 0 || (!any && ls_py_is_library(into, n))) return 0;
  uintptr_t begin = (uintptr_t)code + at.instructions;
  int line = line_of(code, word(frame, at.instruction) - begin);
  into[n++] = ':';
  return n + ls_py_decimal(into + n, line > 0 ? (unsigned)line : 0);
}

static size_t describe_first(const void *frame, bool any, char *into, size_t room) {
  for (int depth = 0; frame != NULL && depth < DEEPEST; depth++, frame = pointer(frame, at.previous)) {
    const void *code = code_of(frame);
    size_t n = code == NULL ? 0 : describe(frame, code, any, into, room);
    if (n > 0) return n;
  }
  return 0;
}

size_t ls_python_line(char *into, size_t room) {
  if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE) || py.is_finalizing()) return 0;
  const void *state = py.PyGILState_GetThisThreadState();
  const void *frame = state == NULL ? NULL : innermost(state);
  size_t n = describe_first(frame, false, into, room);
  return n > 0 ? n : describe_first(frame, true, into, room);
}

/* All that follows runs with the interpreter's lock held. */

static bool find_current(const void *state, const void *frame) {
  for (at.current = 0; at.current < STATE_WORDS * sizeof(void *); at.current += sizeof(void *)) {
    const void *found = pointer(state, at.current);
    at.by_way = found != frame;
    if (!at.by_way) return true;
    for (at.way = 0; at.way <= sizeof(void *); at.way += sizeof(void *))
      if (pointer(found, at.way) == frame) return true;
  }
  return false;
}

/* The offset at which a frame holds a word, but for its tag; `FRAME_WORDS` words where it does not. */
static size_t find_in_frame(const void *frame, uintptr_t wanted, uintptr_t tag) {
  size_t offset = 0;
  while (offset < FRAME_WORDS * sizeof(void *) && (word(frame, offset) & ~tag) != wanted) offset += sizeof(void *);
  return offset;
}

static bool find_frame(py_object *frame, const void *code) {
  const void *inner = pointer(frame, INNER_FRAME_AT);
  at.instructions = word(py.PyCode_Type, BASIC_SIZE_AT);
  at.code = find_in_frame(inner, (uintptr_t)code, 7);
  /* 3.11 keeps the function, the globals, the builtins and the locals before it; then come two more. */
  at.previous = at.code == 0 ? sizeof(void *) : at.code + 2 * sizeof(void *);
  int instruction = py.PyFrame_GetLasti(frame);
  at.instruction = find_in_frame(inner, (uintptr_t)code + at.instructions + (uintptr_t)instruction, 0);
  return at.code < FRAME_WORDS * sizeof(void *) && at.instruction < FRAME_WORDS * sizeof(void *) &&
         find_current(py.PyGILState_GetThisThreadState(), inner);
}

static bool find_member(const char *name, size_t *offset) {
  py_object *found = ls_py_attribute(py.PyCode_Type, name);
  if (found == NULL) return false;
  bool member = found->type == py.PyMemberDescr_Type;
  if (member) *offset = (size_t)((struct py_member_descriptor *)found)->member->offset;
  py.Py_DecRef(found);
  return member;
}

/* Learn from one string of each kind, of two characters. */
static bool find_characters(void) {
  static const char *const samples[KINDS] = {"ab", "\xc3\xa9z", "\xe2\x82\xacz", "\xf0\x9f\x98\x80z"};
  uint32_t states[KINDS];
  for (int kind = 0; kind < KINDS; kind++) {
    py_object *string = py.PyUnicode_FromString(samples[kind]);
    py_object *size = string == NULL ? NULL : py.PyObject_CallMethod(string, "__sizeof__", NULL);
    states[kind] = (uint32_t)word(string, STRING_STATE_AT);
    if (size != NULL) at.characters[kind] = (size_t)py.PyLong_AsLong(size) - 3 * width[kind]; /* a NUL is behind them */
    if (string != NULL) py.Py_DecRef(string);
    if (size == NULL) return false;
    py.Py_DecRef(size);
  }
  for (at.kind_bit = 0; at.kind_bit < 24; at.kind_bit++) {
    int alike = 0;
    while (alike < KINDS && has_kind(states[alike], at.kind_bit, alike)) alike++;
    if (alike == KINDS) return true;
  }
  return false;
}

/* Whether the frames that are read are those that CPython tells of. */
static bool is_proved(py_object *frame) {
  const void *read = innermost(py.PyGILState_GetThisThreadState());
  py.Py_IncRef(frame);
  bool same = true;
  for (int depth = 0; frame != NULL; depth++) {
    py_object *code = py.PyFrame_GetCode(frame);
    for (int skipped = 0; skipped < 4 && read != NULL && code_of(read) != code; skipped++)
      read = pointer(read, at.previous);
    uintptr_t instruction = word(read, at.instruction) - (uintptr_t)code - at.instructions;
    same = same && code_of(read) == code && instruction == (uintptr_t)py.PyFrame_GetLasti(frame) &&
           line_of(code, instruction) == py.PyFrame_GetLineNumber(frame);
    py.Py_DecRef(code);
    py_object *outer = same && depth < DEEPEST ? py.PyFrame_GetBack(frame) : NULL;
    py.Py_DecRef(frame);
    frame = outer;
    read = pointer(read, at.previous);
  }
  return same;
}

void ls_py_learn_frames(void) {
  py_object *frame = tries >= TRIES || py.PyErr_Occurred() != NULL ? NULL : py.PyEval_GetFrame();
  if (frame == NULL) return;
  tries++;
  py_object *code = py.PyFrame_GetCode(frame);
  bool found = find_frame(frame, code) && find_member("co_filename", &at.filename) &&
               find_member("co_linetable", &at.table) && find_member("co_firstlineno", &at.first_line) &&
               find_characters() && is_proved(frame);
  py.Py_DecRef(code);
  py.PyErr_Clear();
  if (!found) return;
  ls_py_learn_library();
  tries = TRIES;
  __atomic_store_n(&ready, true, __ATOMIC_RELEASE);
}
