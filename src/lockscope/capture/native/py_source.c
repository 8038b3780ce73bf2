#define _GNU_SOURCE
#include <string.h>

#include "py_driver.h"

/* Places and library files that are remembered. A code object that stands here is kept alive for good, or its address
 * could become another's; so there is an end to it, and a place beyond is worked out again at each call. */
#define PLACES 2048
#define LIBRARIES 1024
#define PROBES 4
#define PATH_BYTES 4096

struct place {
  py_object *code;
  int instruction;
  unsigned generation;
  uint32_t text;
};

static struct place places[PLACES];
static py_object *libraries[LIBRARIES];

static size_t spread(const void *pointer, int instruction) {
  uint64_t mixed = ((uint64_t)(uintptr_t)pointer >> 4) * 0x9e3779b97f4a7c15u;
  mixed ^= (uint64_t)(unsigned)instruction * 0xff51afd7ed558ccdu;
  return (size_t)(mixed ^ (mixed >> 32));
}

/* Objects of other interpreters must not be kept: they go with their interpreter, whatever their references say. */
static bool may_keep(void) { return py.PyInterpreterState_Get() == py.PyInterpreterState_Main(); }

static bool has(const char *path, size_t n, const char *part) { return memmem(path, n, part, strlen(part)) != NULL; }

static char standard[PATH_BYTES]; /* the folder of the standard library, and a slash */
static size_t standard_bytes;

/* Kept, because a line may be asked for where the interpreter cannot be. */
void ls_py_learn_library(void) {
  size_t n = 0;
  const char *folder = standard_bytes > 0 ? NULL : ls_py_utf8(py.PySys_GetObject("_stdlib_dir"), &n);
  if (folder == NULL || n == 0 || n >= sizeof standard) return;
  memcpy(standard, folder, n);
  standard[n] = '/';
  standard_bytes = n + 1;
}

static bool is_standard(const char *path, size_t n) {
  return standard_bytes > 0 && n > standard_bytes && memcmp(path, standard, standard_bytes) == 0;
}

/* Code without a file that a library has made: "<sqlalchemy generated ...>", "<attrs generated ...>",
 * "<decorator-gen-1>".
 * "<string>", "<stdin>" and a notebook's cells are the program's own. */
static bool is_generated(const char *path, size_t n) {
  return n > 8 && path[0] == '<' &&
         (memcmp(path, "<frozen ", 8) == 0 || has(path, n, " generated ") || has(path, n, "-gen-"));
}

/* The standard library, an installed package, or a module frozen into the interpreter. */
bool ls_py_is_library(const char *path, size_t n) {
  return has(path, n, "/site-packages/") || has(path, n, "/dist-packages/") || is_generated(path, n) ||
         is_standard(path, n);
}

static bool library_code(py_object *code, const char *path, size_t n) {
  size_t at = spread(code, 0);
  for (size_t i = 0; i < PROBES; i++) {
    py_object **entry = &libraries[(at + i) % LIBRARIES];
    if (*entry == code) return true;
    if (*entry != NULL) continue;
    if (!ls_py_is_library(path, n)) return false;
    if (may_keep()) {
      py.Py_IncRef(code);
      *entry = code;
    }
    return true;
  }
  return ls_py_is_library(path, n);
}

static bool known_library(const py_object *code) {
  size_t at = spread(code, 0);
  for (size_t i = 0; i < PROBES; i++)
    if (libraries[(at + i) % LIBRARIES] == code) return true;
  return false;
}

/* The remembered place, or the one to remember it in, or NULL where there is no room. */
static struct place *find_place(const py_object *code, int instruction) {
  size_t at = spread(code, instruction);
  for (size_t i = 0; i < PROBES; i++) {
    struct place *place = &places[(at + i) % PLACES];
    if (place->code == NULL || (place->code == code && place->instruction == instruction)) return place;
  }
  return NULL;
}

size_t ls_py_decimal(char *out, unsigned number) {
  char digits[10];
  size_t n = 0;
  do digits[n++] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  for (size_t i = 0; i < n; i++) out[i] = digits[n - 1 - i];
  return n;
}

static uint32_t write_place(py_object *frame, const char *path, size_t n) {
  char text[PATH_BYTES];
  if (n > sizeof text - 16) return 0;
  int line = py.PyFrame_GetLineNumber(frame);
  memcpy(text, path, n);
  text[n++] = ':';
  n += ls_py_decimal(text + n, line > 0 ? (unsigned)line : 0);
  return ls_py_text(text, n);
}

/* The text of a frame's place by way of its file's name; 0 where that is a library's. */
static uint32_t new_place(py_object *frame, py_object *code, struct place *place, bool any) {
  py_object *name = ls_py_attribute(code, "co_filename");
  size_t n = 0;
  const char *path = ls_py_utf8(name, &n);
  uint32_t text = 0;
  if (path != NULL && (any || !library_code(code, path, n))) text = write_place(frame, path, n);
  if (name != NULL) py.Py_DecRef(name);
  if (text == 0 || place == NULL || !may_keep()) return text;
  if (place->code == NULL) py.Py_IncRef(code);
  *place = (struct place){code, py.PyFrame_GetLasti(frame), ls_generation, text};
  return text;
}

/* The text of the frame if it is the program's own or if `any` will do; 0 for a library's. */
static uint32_t consider(py_object *frame, bool any) {
  py_object *code = py.PyFrame_GetCode(frame);
  uint32_t text = 0;
  if (any || !known_library(code)) {
    struct place *place = find_place(code, py.PyFrame_GetLasti(frame));
    bool kept = place != NULL && place->code == code && place->generation == ls_generation;
    text = kept ? place->text : new_place(frame, code, place, any);
  }
  py.Py_DecRef(code);
  return text;
}

/* Frames from the inside out up to the first one of the program's own; none, and the innermost has to serve. */
uint32_t ls_py_source(void) {
  py_object *innermost = py.PyEval_GetFrame();
  if (innermost == NULL) return 0;
  ls_py_learn_library();
  uint32_t text = consider(innermost, false);
  py_object *frame = text != 0 ? NULL : py.PyFrame_GetBack(innermost);
  while (frame != NULL) {
    text = consider(frame, false);
    py_object *outer = text != 0 ? NULL : py.PyFrame_GetBack(frame);
    py.Py_DecRef(frame);
    frame = outer;
  }
  return text != 0 ? text : consider(innermost, true);
}
