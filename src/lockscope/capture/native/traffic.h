/* The writes to the files of databases, added up between two lock changes. */
#ifndef LOCKSCOPE_TRAFFIC_H
#define LOCKSCOPE_TRAFFIC_H

#include "files.h"

/* Whether anything of this file's database was written since its last lock change. */
static inline bool ls_has_writes(const struct ls_file *file) {
  return __atomic_load_n(&file->main->written, __ATOMIC_RELAXED);
}

/* Emit a WRITES record for each file of this file's database that was written since its last lock change. */
void ls_emit_writes(struct ls_file *file);

/* The same for every database of the process. */
void ls_emit_all_writes(void);

#endif
