/* The parts of the Python hook, and what they ask of each other.
 *
 *   pydriver.c     when: the interpreter's audit hook tells that a SQLite module is being imported
 *   py_install.c   where: the module's methods are led through ours
 *   py_trampoline.c  how: one function for each, called the way the original was
 *   py_observe.c   what: one call, its statement, its outcome
 *   py_context.c   texts and statements, each written once a segment
 *   py_source.c    the line of the program's own code that made the call
 *   py_frames.c    the same where the interpreter's lock is not held: a file is being closed or removed
 *   py_error.c     what a failed call raised
 *
 * All but py_frames.c runs with the interpreter's lock held, except under interpreters with a lock each; `ls_py_claim`
 * keeps these apart. */
#ifndef LOCKSCOPE_PY_DRIVER_H
#define LOCKSCOPE_PY_DRIVER_H

#include "py_api.h"
#include "recorder.h"

/* Modules that can be observed at once: `_sqlite3`, and packages that bring their own such as pysqlite3. */
#define LS_PY_MODULES 3
/* Methods of each, its `connect` among them. */
#define LS_PY_METHODS 24

/* What the first argument or the object says about the statement. */
enum ls_py_subject {
  LS_PY_SQL,    /* the first argument is the SQL, and the object a cursor */
  LS_PY_DIRECT, /* the same, and the object a connection: the result is a cursor */
  LS_PY_CURSOR, /* the statement that the cursor ran last */
  LS_PY_EXIT,   /* COMMIT without an exception, else ROLLBACK */
  LS_PY_FIXED,  /* `sql` of the method; the object is a connection */
  LS_PY_RESULT, /* `sql` of the method; the result is a connection */
  LS_PY_FOREIGN /* `sql` of the method; the object is neither */
};

struct ls_py_method {
  const char *owner; /* type in the module; NULL for a function of the module */
  const char *name;
  enum lockscope_method method;
  enum ls_py_subject subject;
  const char *sql;
};

struct ls_py_module;

/* One method of one module, led through ours. */
struct ls_py_slot {
  const struct ls_py_method *method;
  struct ls_py_module *module;
  struct py_method_def *definition;
  void *original;
  int flags;
};

struct ls_py_module {
  char name[64];
  py_object *error;       /* the module's Error, a strong reference */
  ssize_t connection_at;  /* where in a cursor the pointer to its connection stands; 0 unknown */
  struct ls_py_slot next; /* its cursor's tp_iternext */
};

extern struct ls_py_slot ls_py_slots[LS_PY_MODULES * LS_PY_METHODS];

extern struct ls_py_module ls_py_modules[LS_PY_MODULES];

/* py_trampoline.c: our function for a slot that is called the way `flags` say; NULL for a way that is not known. */
void *ls_py_trampoline(size_t slot, int flags);
/* Our tp_iternext for a module. */
void *ls_py_next(size_t module);

/* py_observe.c. A call as it came, in the words of its convention (docs.python.org/3/c-api/structures.html). */
struct ls_py_call {
  py_object *self;
  py_object *class;
  void *arguments; /* one object, a tuple, or an array of `count` objects */
  intptr_t count;  /* of the array; for METH_VARARGS | METH_KEYWORDS the dictionary of keywords */
  py_object *names;
};
py_object *ls_py_observe(const struct ls_py_slot *slot, const struct ls_py_call *call);

/* The flags of a slot that is a tp_iternext: called with the object alone. */
#define LS_PY_ITERNEXT 0

/* pydriver.c: the interpreter is up and the recorder on. */
bool ls_py_observing(void);
/* One sentence in the trace. */
void ls_py_note(const char *sentence);

/* py_install.c: observe a module whose import is complete; false where it is not complete yet. */
bool ls_py_install(const char *module);

/* py_context.c. Between claim and release the tables are this thread's; false where they are somebody else's. */
bool ls_py_claim(void);
void ls_py_release(void);
uint32_t ls_py_sql_text(const char *sql, size_t n);
uint32_t ls_py_text(const char *bytes, size_t n);
uint32_t ls_py_context(uint32_t sql, uint32_t source);
/* The SQL and the context that a cursor ran last; zeros where nothing is known of it. */
struct ls_py_statement {
  uint32_t sql, context;
};
struct ls_py_statement ls_py_of_cursor(const void *cursor);
void ls_py_keep_cursor(const void *cursor, struct ls_py_statement statement);

/* py_source.c: text of "path:line"; 0 where no Python code is running. Only between claim and release. */
uint32_t ls_py_source(void);
/* Whether code of this file is the standard library's, a package's or nobody's; of the first, once that is learnt. */
bool ls_py_is_library(const char *path, size_t n);
void ls_py_learn_library(void);
size_t ls_py_decimal(char *out, unsigned number);

/* py_frames.c: find out how frames are read where the interpreter may not be asked. Cheap once that is known. */
void ls_py_learn_frames(void);

/* py_error.c. What a call raised is taken out of the error indicator while it is looked at, because nothing may be
 * asked of the interpreter with an error set, and put back as it was: the same object, with the same traceback. */
struct ls_py_raised {
  py_object *type, *value, *traceback;
};
struct ls_py_failure {
  uint16_t code;    /* extended result code; 0 for none of the module's errors */
  uint32_t message; /* text, masked */
};
bool ls_py_take(struct ls_py_raised *raised);
struct ls_py_failure ls_py_failure(const struct ls_py_module *module, const struct ls_py_raised *raised);
void ls_py_put_back(const struct ls_py_raised *raised);

#endif
