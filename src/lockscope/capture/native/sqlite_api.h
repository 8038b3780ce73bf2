/* SQLite's own functions, and which of the SQLites in a process a call was meant for. */
#ifndef LOCKSCOPE_SQLITE_API_H
#define LOCKSCOPE_SQLITE_API_H

#include <stdint.h>

/* Opaque, as sqlite3.h has them. */
typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
typedef int ls_exec_callback(void *, int, char **, char **);

/* X(type of the result, name, parameters): those that are wrapped. */
#define LS_SQLITE_WRAPPED(X)                                                                                           \
  X(int, sqlite3_step, (sqlite3_stmt *))                                                                               \
  X(int, sqlite3_prepare, (sqlite3 *, const char *, int, sqlite3_stmt **, const char **))                              \
  X(int, sqlite3_prepare_v2, (sqlite3 *, const char *, int, sqlite3_stmt **, const char **))                           \
  X(int, sqlite3_prepare_v3, (sqlite3 *, const char *, int, unsigned, sqlite3_stmt **, const char **))                 \
  X(int, sqlite3_prepare16, (sqlite3 *, const void *, int, sqlite3_stmt **, const void **))                            \
  X(int, sqlite3_prepare16_v2, (sqlite3 *, const void *, int, sqlite3_stmt **, const void **))                         \
  X(int, sqlite3_prepare16_v3, (sqlite3 *, const void *, int, unsigned, sqlite3_stmt **, const void **))               \
  X(int, sqlite3_exec, (sqlite3 *, const char *, ls_exec_callback *, void *, char **))                                 \
  X(int, sqlite3_reset, (sqlite3_stmt *))                                                                              \
  X(int, sqlite3_finalize, (sqlite3_stmt *))                                                                           \
  X(int, sqlite3_close, (sqlite3 *))                                                                                   \
  X(int, sqlite3_close_v2, (sqlite3 *))

/* Those that are asked about a statement. */
#define LS_SQLITE_ASKED(X)                                                                                             \
  X(const char *, sqlite3_sql, (sqlite3_stmt *))                                                                       \
  X(sqlite3 *, sqlite3_db_handle, (sqlite3_stmt *))                                                                    \
  X(int, sqlite3_extended_errcode, (sqlite3 *))                                                                        \
  X(const char *, sqlite3_errmsg, (sqlite3 *))

struct ls_sqlite {
#define LS_SQLITE_MEMBER(result, name, parameters) result(*name) parameters;
  LS_SQLITE_WRAPPED(LS_SQLITE_MEMBER)
  LS_SQLITE_ASKED(LS_SQLITE_MEMBER)
#undef LS_SQLITE_MEMBER
};

/* The wrappers themselves. */
int sqlite3_step(sqlite3_stmt *statement);

/* The SQLite that a call from this address would have reached without us. Functions that it lacks are NULL. */
const struct ls_sqlite *ls_sqlite_of(const void *caller);

#endif
