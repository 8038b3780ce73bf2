/* The files of databases: which descriptor is which, and what has been written to each.
 *
 * A file is known once a lock call on SQLite's byte ranges is seen on it. Its rollback journal and its write-ahead log,
 * which SQLite never locks, are found by their names and are its companions. Nothing here opens, closes or locks a
 * traced file: closing any descriptor of it would drop the program's own locks (fcntl(2), "record locks"). */
#ifndef LOCKSCOPE_FILES_H
#define LOCKSCOPE_FILES_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "segment.h"

enum { LS_SHM, LS_WAL, LS_JOURNAL, LS_COMPANIONS };

struct ls_file {
  uint64_t device, inode;
  uint64_t path;                             /* hash of the path */
  uint32_t path_text;                        /* offset of the path in the text file */
  uint32_t number;                           /* given by its FILE record; 0: this place is free */
  int32_t descriptors;                       /* those that are known to be open */
  bool locked;                               /* the main file or its -shm: closing a descriptor drops locks */
  bool exclusive;                            /* a main file: this process has all of its SHARED bytes for itself */
  bool pinned;                               /* has had a descriptor beyond the table, whose end is not seen */
  struct ls_file *main;                      /* of this database; itself if it is the main file or that is not known */
  struct ls_file *companions[LS_COMPANIONS]; /* of a main file */
  /* Writes since the last lock change, added up by any thread. */
  uint64_t calls, bytes, first_ns;
  bool written;       /* of a main file: it or a companion has been written */
  uint8_t unused[31]; /* 128 bytes in all: a place is found by a shift */
};

/* Descriptors above this are looked up anew at each call. */
enum { LS_DESCRIPTORS = 65536 };

/* Of each descriptor: nothing known, no database's, or 2 + the place of its file. Dropped when it is closed. */
enum { LS_UNSEEN = 0, LS_FOREIGN = 1, LS_FIRST_FILE = 2 };
extern uint16_t ls_classes[LS_DESCRIPTORS];
/* Files that may be open at the same time; those beyond are counted as lost. Places are used from the first on. */
enum { LS_FILES = 4096 };
extern struct ls_file ls_files[LS_FILES];

static inline uint16_t ls_class(int fd) {
  return (unsigned)fd < LS_DESCRIPTORS ? __atomic_load_n(&ls_classes[fd], __ATOMIC_ACQUIRE) : LS_UNSEEN;
}

/* The file of a class from LS_FIRST_FILE on. */
static inline struct ls_file *ls_file_of_class(uint16_t class) { return &ls_files[class - LS_FIRST_FILE]; }

/* The file that a lock call is about; NULL where the call is none of ours. `range` as the program gave it. */
struct ls_file *ls_file_to_lock(int fd, const struct flock *range);

/* The file that a write or a sync is about; NULL where it is no database's. */
struct ls_file *ls_file_to_write(int fd);

/* The locked file that `fd` is a descriptor of, NULL for none; what was known of `fd` is dropped. Call it before the
 * descriptor is closed: afterwards another thread may already own the number. */
struct ls_file *ls_file_to_close(int fd);

/* The file that is open here under this inode, NULL for none. */
const struct ls_file *ls_file_of_inode(const struct stat *status);

/* Whether `path` is a journal of a database that this process has locked exclusively: SQLite ends a transaction so. */
bool ls_removes_itself(const char *path);

/* The number of a file that may never have been open here; it is told once more where it is not. */
uint32_t ls_file_met(const struct stat *status, const char *path, size_t n);

/* Descriptors that locks were taken through, one bit each: a close of any other descriptor of the file is somebody
 * else's, and takes the locks away from under SQLite. */
extern uint64_t ls_locking[LS_DESCRIPTORS / 64];

static inline void ls_note_locking(int fd) {
  if ((unsigned)fd >= LS_DESCRIPTORS) return;
  uint64_t bit = UINT64_C(1) << (fd & 63), *word = &ls_locking[fd >> 6];
  if ((__atomic_load_n(word, __ATOMIC_RELAXED) & bit) == 0) __atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
}

/* Whether locks were taken through a descriptor that is closed. */
static inline bool ls_forget_locking(int fd) {
  if ((unsigned)fd >= LS_DESCRIPTORS) return true; /* not known: no loss is told where there may be none */
  uint64_t bit = UINT64_C(1) << (fd & 63);
  return (__atomic_fetch_and(&ls_locking[fd >> 6], ~bit, __ATOMIC_RELAXED) & bit) != 0;
}

/* In a forked child: its segment knows no file yet. */
void ls_files_forget(void);

#endif
