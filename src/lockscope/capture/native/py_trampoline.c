#include "py_driver.h"

/* A PyMethodDef holds a bare C function and nothing that a function could be told by, so each slot has a function of
 * its own in each calling convention. The four differ in their parameters alone. */
#define TRAMPOLINES(n)                                                                                                 \
  static py_object *plain_##n(py_object *self, void *arguments) {                                                      \
    return ls_py_observe(&ls_py_slots[n], &(struct ls_py_call){.self = self, .arguments = arguments});                 \
  }                                                                                                                    \
  static py_object *three_##n(py_object *self, void *arguments, intptr_t count) {                                      \
    return ls_py_observe(&ls_py_slots[n], &(struct ls_py_call){.self = self, .arguments = arguments, .count = count}); \
  }                                                                                                                    \
  static py_object *four_##n(py_object *self, void *arguments, intptr_t count, py_object *names) {                     \
    return ls_py_observe(&ls_py_slots[n],                                                                              \
                         &(struct ls_py_call){.self = self, .arguments = arguments, .count = count, .names = names});  \
  }                                                                                                                    \
  static py_object *five_##n(py_object *self, py_object *class, void *arguments, intptr_t count, py_object *names) {   \
    return ls_py_observe(&ls_py_slots[n], &(struct ls_py_call){self, class, arguments, count, names});                 \
  }

#define LIST(n) {(void *)plain_##n, (void *)three_##n, (void *)four_##n, (void *)five_##n},

/* Octal numbers, because two digits then count on without a gap: 00 to 07, 010 to 017, ... */
#define ROW(X, tens) X(tens##0) X(tens##1) X(tens##2) X(tens##3) X(tens##4) X(tens##5) X(tens##6) X(tens##7)
#define EACH_SLOT(X) ROW(X, 0) ROW(X, 01) ROW(X, 02) ROW(X, 03) ROW(X, 04) ROW(X, 05) ROW(X, 06) ROW(X, 07) ROW(X, 010)

enum shape { PLAIN, THREE, FOUR, FIVE };

EACH_SLOT(TRAMPOLINES)

static void *const TABLE[][4] = {EACH_SLOT(LIST)};

_Static_assert(sizeof TABLE / sizeof *TABLE == LS_PY_MODULES * LS_PY_METHODS, "each slot has its functions");

void *ls_py_trampoline(size_t slot, int flags) {
  switch (flags) {
    case PY_NOARGS:
    case PY_O:
    case PY_VARARGS: return TABLE[slot][PLAIN];
    case PY_VARARGS | PY_KEYWORDS:
    case PY_FASTCALL: return TABLE[slot][THREE];
    case PY_FASTCALL | PY_KEYWORDS: return TABLE[slot][FOUR];
    case PY_METHOD | PY_FASTCALL | PY_KEYWORDS: return TABLE[slot][FIVE];
    default: return NULL;
  }
}

#define NEXT(n)                                                                                                        \
  static py_object *next_##n(py_object *self) {                                                                        \
    return ls_py_observe(&ls_py_modules[n].next, &(struct ls_py_call){.self = self});                                  \
  }

NEXT(0)
NEXT(1)
NEXT(2)

static void *const NEXTS[LS_PY_MODULES] = {(void *)next_0, (void *)next_1, (void *)next_2};

void *ls_py_next(size_t module) { return NEXTS[module]; }
