/* SQLite as a shared library: which statement a thread is running, and what became of it.
 *
 * Two connections of one process never meet in fcntl: os_unix.c lets the second one fail by its own bookkeeping. So a
 * statement that is refused, or that sleeps without a denied lock, can only be seen here. A Python program's statements
 * are told by the Python hook, which knows the line as well: where it has set one, nothing is done here. */
#include "real.h"

#include "contexts.h"
#include "locks.h"
#include "mask.h"
#include "segment.h"
#include "sleeps.h"
#include "sqlite_api.h"

#include <string.h>

/* sqlite3.h. SQLITE_ERROR is also the answer where there is no SQLite to ask. */
enum { OK = 0, ERROR = 1, MISUSE = 21, ROW = 100, DONE = 101 };

/* A statement that took less is not recorded unless it failed or locked something: it was in nobody's way. */
#define STEP_NS 100000u

/* Statements that are remembered: sets of four, and what finds its set full has its number looked up at each step. */
enum { SETS = 1024, WAYS = 4 };

struct kept {
  uintptr_t statement; /* 0: free */
  uint64_t state;      /* generation above the number of the context */
};

static struct kept kept[SETS][WAYS];

static struct kept *set_of(const sqlite3_stmt *statement) {
  uintptr_t address = (uintptr_t)statement;
  return kept[(address >> 4 ^ address >> 14) % SETS];
}

static struct kept *find(const sqlite3_stmt *statement) {
  struct kept *set = set_of(statement);
  for (int i = 0; i < WAYS; i++) {
    if (__atomic_load_n(&set[i].statement, __ATOMIC_ACQUIRE) == (uintptr_t)statement) return &set[i];
  }
  return NULL;
}

static void keep(const sqlite3_stmt *statement, uint32_t context) {
  struct kept *set = set_of(statement);
  for (int i = 0; i < WAYS; i++) {
    uintptr_t none = 0;
    if (__atomic_load_n(&set[i].statement, __ATOMIC_RELAXED) != 0) continue;
    if (!__atomic_compare_exchange_n(&set[i].statement, &none, (uintptr_t)statement, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED)) {
      continue;
    }
    __atomic_store_n(&set[i].state, (uint64_t)ls_generation << 32 | context, __ATOMIC_RELEASE);
    return;
  }
}

static void drop(const sqlite3_stmt *statement) {
  struct kept *of = statement == NULL ? NULL : find(statement);
  if (of == NULL) return;
  __atomic_store_n(&of->state, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&of->statement, 0, __ATOMIC_RELEASE);
}

/* What this thread's `sqlite3_exec` runs: it ends its statements without sqlite3_finalize (legacy.c), so that they must
 * not be remembered beyond it. */
static __thread struct {
  bool inside, prepared;
  uint32_t context;
  const sqlite3_stmt *statement;
  bool at_once;         /* no callback can have run yet: what has been prepared is stepped next */
  uint64_t prepared_ns; /* when; 0 once it has been stepped */
} executed;

static uint32_t context_of(const struct ls_sqlite *real, sqlite3_stmt *statement) {
  if (executed.inside && executed.statement == statement) return executed.context;
  struct kept *of = find(statement);
  uint64_t state = of == NULL ? 0 : __atomic_load_n(&of->state, __ATOMIC_ACQUIRE);
  if ((uint32_t)state != 0 && (unsigned)(state >> 32) == ls_generation) return (uint32_t)state;
  if (real->sqlite3_sql == NULL) return 0;
  uint32_t context = ls_context_of_sql(real->sqlite3_sql(statement), SIZE_MAX);
  if (context == 0 || executed.inside) return context;
  drop(statement);
  keep(statement, context);
  return context;
}

static void remember(const sqlite3_stmt *statement, uint32_t context) {
  drop(statement); /* of one whose end was not seen, at the same address */
  executed.statement = executed.inside ? statement : NULL;
  executed.context = context;
  if (!executed.inside && statement != NULL && context != 0) keep(statement, context);
}

/* Whether this call is to be told by us. */
static inline bool is_ours(void) { return ls_home->pid != 0 && ls_context == 0; }

/* Threads that wait for another connection of their own process may never make a lock call. */
static inline void await_sleeps(void) {
  if (ls_home->watching) ls_locks_here = true;
}

struct call {
  uint64_t began_ns;
  unsigned generation, locks;
  uint32_t context;
};

static inline struct call begin(uint32_t context, bool timed) {
  await_sleeps();
  ls_context = context;
  return (struct call){timed ? ls_now() : 0, ls_generation, ls_lock_calls, context};
}

static uint32_t message_of(const struct ls_sqlite *real, sqlite3 *database, int code) {
  char masked[LS_MASK_ROOM];
  const char *message = real->sqlite3_errmsg != NULL ? real->sqlite3_errmsg(database) : NULL;
  if (message == NULL) return 0;
  size_t n = ls_mask_message(message, strlen(message), (unsigned)code, masked, sizeof masked);
  return n == 0 ? 0 : ls_text(masked, n);
}

/* `result` as the wrapped function gave it; the extended code is asked for, and is of the same kind (sqlite3.h). */
static void tell(const struct ls_sqlite *real, sqlite3 *database, const struct call *call, int result, uint8_t method) {
  struct lockscope_record record = {
      .kind = LOCKSCOPE_STATEMENT,
      .mode = method,
      .began_ns = call->began_ns,
      .duration_ns = ls_now() - call->began_ns,
      .start = (uintptr_t)database,
      .context = call->context,
  };
  record.error = (uint16_t)result;
  if (result != OK && result != MISUSE && database != NULL) { /* a misused connection may be gone */
    int extended = real->sqlite3_extended_errcode != NULL ? real->sqlite3_extended_errcode(database) : result;
    record.error = (uint16_t)((extended & 0xff) == (result & 0xff) ? extended : result);
    record.length = message_of(real, database, record.error);
  }
  ls_record_now(&record);
}

/* False in a child that was forked inside the call (by a function called from SQL), where the numbers are void. */
static inline bool end(const struct call *call) {
  ls_context = 0;
  return call->generation == ls_generation;
}

static inline bool is_worth_it(const struct call *call, int result) {
  if (result != OK || ls_lock_calls != call->locks) return true;
  uint64_t now_ns = ls_now();
  executed.prepared_ns = now_ns;
  return now_ns - call->began_ns >= STEP_NS;
}

/* `sqlite3_exec` steps at once what it has prepared: then the clock has just been read. */
static inline struct call begin_step(uint32_t context, const sqlite3_stmt *statement) {
  bool at_once = executed.at_once && executed.statement == statement && executed.prepared_ns != 0;
  struct call call = begin(context, !at_once);
  if (at_once) call.began_ns = executed.prepared_ns;
  executed.prepared_ns = 0;
  return call;
}

/* The statement whose last step by this thread gave a row. What follows takes no lock and waits for nobody, as a rule:
 * two readings of the clock and a look-up for each would make a tight loop over rows half as slow again. */
static __thread struct {
  const sqlite3_stmt *statement;
  uint32_t context;
  unsigned generation;
} rows;

static inline void forget_rows_of(const sqlite3_stmt *statement) {
  if (rows.statement == statement) rows.statement = NULL;
}

LS_EXPORT int sqlite3_step(sqlite3_stmt *statement) {
  const struct ls_sqlite *real = ls_sqlite_of(__builtin_return_address(0));
  if (real == NULL) return ERROR;
  if (!is_ours() || statement == NULL) {
    await_sleeps();
    return real->sqlite3_step(statement);
  }
  bool goes_on = rows.statement == statement && rows.generation == ls_generation;
  struct call call = goes_on ? begin(rows.context, false) : begin_step(context_of(real, statement), statement);
  int result = real->sqlite3_step(statement);
  rows.statement = result == ROW ? statement : NULL;
  if (result == ROW) executed.at_once = false;
  rows.context = call.context;
  rows.generation = call.generation;
  if (!end(&call)) return result;
  int failure = result == ROW || result == DONE ? OK : result;
  if (goes_on) {
    if (failure == OK && ls_lock_calls == call.locks) return result;
    call.began_ns = ls_now();
  }
  if (is_worth_it(&call, failure)) {
    bool known = real->sqlite3_db_handle != NULL && failure != MISUSE;
    tell(real, known ? real->sqlite3_db_handle(statement) : NULL, &call, failure, LOCKSCOPE_EXECUTE);
  }
  return result;
}

/* Reading the schema takes locks as well, and a failure here is the statement's. */
#define LS_PREPARE(name, parameters, ...)                                                                              \
  LS_EXPORT int name parameters {                                                                                      \
    const struct ls_sqlite *real = ls_sqlite_of(__builtin_return_address(0));                                          \
    if (real == NULL || real->name == NULL) return ERROR;                                                              \
    executed.prepared = true;                                                                                          \
    executed.prepared_ns = 0;                                                                                          \
    if (!is_ours()) {                                                                                                  \
      await_sleeps();                                                                                                  \
      return real->name(__VA_ARGS__);                                                                                  \
    }                                                                                                                  \
    struct call call = begin(ls_context_of_sql(sql, n < 0 ? SIZE_MAX : (size_t)n), true);                              \
    int result = real->name(__VA_ARGS__);                                                                              \
    if (!end(&call)) return result;                                                                                    \
    if (result == OK) remember(*statement, call.context);                                                              \
    if (is_worth_it(&call, result)) tell(real, database, &call, result, LOCKSCOPE_EXECUTE);                            \
    return result;                                                                                                     \
  }

LS_PREPARE(sqlite3_prepare, (sqlite3 * database, const char *sql, int n, sqlite3_stmt **statement, const char **tail),
           database, sql, n, statement, tail)
LS_PREPARE(sqlite3_prepare_v2,
           (sqlite3 * database, const char *sql, int n, sqlite3_stmt **statement, const char **tail), database, sql, n,
           statement, tail)
LS_PREPARE(sqlite3_prepare_v3,
           (sqlite3 * database, const char *sql, int n, unsigned flags, sqlite3_stmt **statement, const char **tail),
           database, sql, n, flags, statement, tail)

/* The SQL of a UTF-16 statement is asked for when it is run. */
#define LS_PREPARE16(name, parameters, ...)                                                                            \
  LS_EXPORT int name parameters {                                                                                      \
    const struct ls_sqlite *real = ls_sqlite_of(__builtin_return_address(0));                                          \
    if (real == NULL || real->name == NULL) return ERROR;                                                              \
    await_sleeps();                                                                                                    \
    int result = real->name(__VA_ARGS__);                                                                              \
    if (result == OK) drop(*statement);                                                                                \
    return result;                                                                                                     \
  }

LS_PREPARE16(sqlite3_prepare16,
             (sqlite3 * database, const void *sql, int n, sqlite3_stmt **statement, const void **tail), database, sql,
             n, statement, tail)
LS_PREPARE16(sqlite3_prepare16_v2,
             (sqlite3 * database, const void *sql, int n, sqlite3_stmt **statement, const void **tail), database, sql,
             n, statement, tail)
LS_PREPARE16(sqlite3_prepare16_v3,
             (sqlite3 * database, const void *sql, int n, unsigned flags, sqlite3_stmt **statement, const void **tail),
             database, sql, n, flags, statement, tail)

/* A SQLite whose functions do not come back to us (-Bsymbolic-functions) shows an `sqlite3_exec` as a whole only: by
 * the first of its statements. */
LS_EXPORT int sqlite3_exec(sqlite3 *database, const char *sql, ls_exec_callback *callback, void *own, char **message) {
  static const struct ls_sqlite *closed;
  const struct ls_sqlite *real = ls_sqlite_of(__builtin_return_address(0));
  if (real == NULL || real->sqlite3_exec == NULL) return ERROR;
  if (!is_ours()) {
    await_sleeps();
    return real->sqlite3_exec(database, sql, callback, own, message);
  }
  bool outer = executed.inside, whole = __atomic_load_n(&closed, __ATOMIC_RELAXED) == real;
  struct call call = begin(whole ? ls_context_of_sql(sql, SIZE_MAX) : 0, whole);
  executed.inside = executed.at_once = true;
  executed.prepared = false;
  int result = real->sqlite3_exec(database, sql, callback, own, message);
  executed.inside = outer;
  executed.at_once = false;
  executed.statement = NULL;
  if (!end(&call) || executed.prepared || sql == NULL || *sql == '\0') return result;
  __atomic_store_n(&closed, real, __ATOMIC_RELAXED);
  if (whole && is_worth_it(&call, result)) tell(real, database, &call, result, LOCKSCOPE_EXECUTE);
  return result;
}

/* The next step runs the statement anew. */
LS_EXPORT int sqlite3_reset(sqlite3_stmt *statement) {
  const struct ls_sqlite *real = ls_sqlite_of(__builtin_return_address(0));
  if (real == NULL || real->sqlite3_reset == NULL) return ERROR;
  forget_rows_of(statement);
  return real->sqlite3_reset(statement);
}

LS_EXPORT int sqlite3_finalize(sqlite3_stmt *statement) {
  const struct ls_sqlite *real = ls_sqlite_of(__builtin_return_address(0));
  if (real == NULL) return ERROR;
  forget_rows_of(statement);
  drop(statement);
  return real->sqlite3_finalize(statement);
}

/* The last connection to a log writes it back and deletes it, under an exclusive lock. */
#define LS_CLOSE(name)                                                                                                 \
  LS_EXPORT int name(sqlite3 *database) {                                                                              \
    const struct ls_sqlite *real = ls_sqlite_of(__builtin_return_address(0));                                          \
    if (real == NULL || real->name == NULL) return ERROR;                                                              \
    if (!is_ours() || database == NULL) return real->name(database);                                                   \
    struct call call = begin(ls_context_of_sql("close()", SIZE_MAX), true);                                            \
    int result = real->name(database);                                                                                 \
    /* What was closed must not be asked for an error any more. */                                                     \
    if (end(&call) && is_worth_it(&call, result)) tell(real, NULL, &call, result, LOCKSCOPE_CLOSE_CONNECTION);         \
    return result;                                                                                                     \
  }

LS_CLOSE(sqlite3_close)
LS_CLOSE(sqlite3_close_v2)
