/* A segment on disk and in memory: where the next record and the next text go. */
#ifndef LOCKSCOPE_SEGMENT_H
#define LOCKSCOPE_SEGMENT_H

#include "recorder.h"

#include <sys/types.h>

/* What a forked child must not inherit. The page is wiped by the kernel in every child with memory of its own
 * (MADV_WIPEONFORK in madvise(2)), also in one that was forked by a bare system call. */
struct ls_home {
  pid_t pid;     /* the process that opened the segment, 0 none */
  bool watching; /* this process has locked a database: everything else costs nothing until then */
};

/* Never NULL: before a segment is open, and where none can be, it is all zero. */
extern struct ls_home *ls_home;

/* Open a fresh segment for this process in the trace's folder; false where that cannot be done. */
bool ls_segment_open(const char *folder);

/* Map room ahead for records and texts, once for each segment: the process is about to lose its way to the folder. */
void ls_segment_provide(void);

/* In a forked child: let go of the parent's segment. */
void ls_segment_forget(void);

/* Whether this call runs in the process that opened the segment, and not in its vfork child, which shares our memory
 * but neither its descriptors nor its locks. A system call: for rare paths only. */
bool ls_at_home(void);

/* Something could not be kept. */
void ls_lose(void);

/* Field 22 of /proc/self/stat, 0 unknown. */
uint64_t ls_process_start(void);

/* Read a file of /proc into `room` bytes, NUL-terminated; gives its length, 0 where it cannot be read. */
size_t ls_read_proc(const char *path, char *into, size_t room);

#endif
