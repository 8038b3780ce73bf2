#include <string.h>

#include "py_driver.h"

/* A fetch that took less is not recorded unless it failed: a step through rows that are at hand takes no lock, and the
 * lock calls of one that does carry its statement's number themselves. */
#define FETCH_NS 100000u

struct ls_py_slot ls_py_slots[LS_PY_MODULES * LS_PY_METHODS];

typedef py_object *(*alone)(py_object *);
typedef py_object *(*plain)(py_object *, void *);
typedef py_object *(*three)(py_object *, void *, intptr_t);
typedef py_object *(*four)(py_object *, void *, intptr_t, py_object *);
typedef py_object *(*five)(py_object *, py_object *, void *, intptr_t, py_object *);

/* The statement of a call that may yet go through another of the driver's methods, as pysqlite3's Connection.execute
 * does through Cursor.execute and its __exit__ through commit: the same statement at the same line, told once. */
static __thread uint32_t awaited;

static py_object *forward(const struct ls_py_slot *slot, const struct ls_py_call *call) {
  switch (slot->flags) {
    case LS_PY_ITERNEXT: return ((alone)slot->original)(call->self);
    case PY_VARARGS | PY_KEYWORDS:
    case PY_FASTCALL: return ((three)slot->original)(call->self, call->arguments, call->count);
    case PY_FASTCALL | PY_KEYWORDS:
      return ((four)slot->original)(call->self, call->arguments, call->count, call->names);
    case PY_METHOD | PY_FASTCALL | PY_KEYWORDS:
      return ((five)slot->original)(call->self, call->class, call->arguments, call->count, call->names);
    default: return ((plain)slot->original)(call->self, call->arguments);
  }
}

/* A positional argument, borrowed; NULL where the call has none there. */
static py_object *argument(const struct ls_py_slot *slot, const struct ls_py_call *call, ssize_t at) {
  if (slot->flags & PY_FASTCALL) return at < call->count ? ((py_object **)call->arguments)[at] : NULL;
  if (slot->flags & PY_VARARGS)
    return at < py.PyTuple_Size(call->arguments) ? py.PyTuple_GetItem(call->arguments, at) : NULL;
  return at == 0 ? call->arguments : NULL;
}

static const char *fixed_sql(const struct ls_py_slot *slot, const struct ls_py_call *call) {
  if (slot->method->subject != LS_PY_EXIT) return slot->method->sql;
  py_object *exception = argument(slot, call, 0);
  return exception == NULL || exception == py._Py_NoneStruct ? "COMMIT" : "ROLLBACK";
}

static uint32_t sql_of(const struct ls_py_slot *slot, const struct ls_py_call *call) {
  enum ls_py_subject subject = slot->method->subject;
  if (subject != LS_PY_SQL && subject != LS_PY_DIRECT) {
    const char *sql = fixed_sql(slot, call);
    return ls_py_text(sql, strlen(sql));
  }
  size_t n = 0;
  const char *sql = ls_py_utf8(argument(slot, call, 0), &n);
  return sql == NULL ? 0 : ls_py_sql_text(sql, n);
}

static struct ls_py_statement describe(const struct ls_py_slot *slot, const struct ls_py_call *call) {
  struct ls_py_statement statement = {0, 0};
  if (slot->method->subject == LS_PY_CURSOR) return ls_py_of_cursor(call->self);
  if (!ls_py_claim()) return statement;
  statement.sql = sql_of(slot, call);
  statement.context = ls_py_context(statement.sql, ls_py_source());
  ls_py_release();
  if (slot->method->subject == LS_PY_SQL) ls_py_keep_cursor(call->self, statement);
  return statement;
}

/* The connection's address, which tells apart connections that are open at the same time. */
static uint64_t connection(const struct ls_py_slot *slot, const struct ls_py_call *call, const py_object *result) {
  switch (slot->method->subject) {
    case LS_PY_SQL:
    case LS_PY_CURSOR:
      if (slot->module->connection_at == 0) return 0;
      return *(const uintptr_t *)((const char *)call->self + slot->module->connection_at);
    case LS_PY_RESULT: return (uintptr_t)result;
    case LS_PY_FOREIGN: return 0;
    default: return (uintptr_t)call->self;
  }
}

/* A failed fetch is told with the line that fetched; the locks of a fetch carry the line that executed. */
static uint32_t failed_fetch(struct ls_py_statement statement) {
  if (!ls_py_claim()) return statement.context;
  uint32_t sql = statement.sql != 0 ? statement.sql : ls_py_text("fetch()", 7);
  uint32_t context = ls_py_context(sql, ls_py_source());
  ls_py_release();
  return context;
}

static void record(const struct ls_py_slot *slot, const struct ls_py_call *call, const py_object *result,
                   struct ls_py_statement statement, struct lockscope_record *told) {
  struct ls_py_failure failure = {0, 0};
  struct ls_py_raised raised;
  bool fetch = slot->method->subject == LS_PY_CURSOR, raises = result == NULL && ls_py_take(&raised);
  if (raises) failure = ls_py_failure(slot->module, &raised);
  if (!fetch || failure.code != 0 || told->duration_ns >= FETCH_NS) {
    ls_context = fetch && failure.code != 0 ? failed_fetch(statement) : statement.context;
    told->start = connection(slot, call, result);
    told->length = failure.message;
    told->context = ls_context;
    told->kind = LOCKSCOPE_STATEMENT;
    told->mode = (uint8_t)slot->method->method;
    told->error = failure.code;
    ls_record(told);
  }
  if (raises) ls_py_put_back(&raised);
}

/* The call itself, timed. A call may come back in a child that was forked inside it (a function called from SQL):
 * there the numbers of the parent's segment mean nothing. */
static py_object *run(const struct ls_py_slot *slot, const struct ls_py_call *call, struct ls_py_statement statement) {
  struct lockscope_record told = {0};
  unsigned generation = ls_generation;
  uint32_t outer = ls_context;
  ls_context = statement.context;
  told.began_ns = ls_now();
  py_object *result = forward(slot, call);
  told.duration_ns = ls_now() - told.began_ns;
  if (generation != ls_generation) {
    statement = (struct ls_py_statement){0, 0};
    outer = 0;
  }
  bool fetched = slot->method->subject == LS_PY_CURSOR && result != NULL && told.duration_ns < FETCH_NS;
  if (!fetched && ls_py_observing()) record(slot, call, result, statement, &told);
  if (slot->method->subject == LS_PY_DIRECT && result != NULL) ls_py_keep_cursor(result, statement);
  ls_context = outer;
  return result;
}

static bool goes_on(const struct ls_py_slot *slot) {
  return slot->method->subject == LS_PY_DIRECT || slot->method->subject == LS_PY_EXIT;
}

py_object *ls_py_observe(const struct ls_py_slot *slot, const struct ls_py_call *call) {
  /* With an error set nothing may be asked of the interpreter; a destructor can call us so. */
  if (!ls_py_observing() || py.PyErr_Occurred() != NULL) return forward(slot, call);
  struct ls_py_statement statement = describe(slot, call);
  if (awaited != 0 && awaited == statement.context && slot->method->subject != LS_PY_CURSOR) {
    awaited = 0;
    return forward(slot, call);
  }
  uint32_t outer = awaited;
  awaited = goes_on(slot) ? statement.context : 0;
  py_object *result = run(slot, call, statement);
  awaited = outer;
  return result;
}
