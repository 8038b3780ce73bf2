/* A segment on disk and in memory: where the next record and the next text go. */
#ifndef LOCKSCOPE_SEGMENT_H
#define LOCKSCOPE_SEGMENT_H

#include "recorder.h"

#include <sys/types.h>

/* What a forked child must not inherit. The page is wiped by the kernel in every child with memory of its own
 * (MADV_WIPEONFORK in madvise(2)), also in one that was forked by a bare system call. */
struct ls_home {
  pid_t pid;     /* the process that is traced, 0 none */
  bool begun;    /* it has a segment; making one would cost a program without a database a fifth of its start */
  bool watching; /* this process has locked a database: everything else costs nothing until then */
};

/* Never NULL: in a process that is not traced it is all zero. */
extern struct ls_home *ls_home;

/* From here on this process is traced. */
void ls_segment_settle(void);

/* Open a fresh segment for this process in the trace's folder; false where that cannot be done. */
bool ls_segment_open(const char *folder);

/* Begin the segment, if this process has none yet: it has something to tell. False where that cannot be done now; then
 * whatever was to be told is lost. */
bool ls_begin(void);

/* Whether the last look for space failed so lately that none is taken. */
bool ls_is_blind(void);

/* Whether something was lost for want of a segment; then the next try to begin one is not put off. */
bool ls_segment_owes(void);

/* Map room ahead for records and texts, once for each segment: the process is about to lose its way to the folder. */
void ls_segment_provide(void);

/* Let a user that this process is about to become go on with this segment. Changes errno. */
void ls_segment_share(uid_t user);

/* In a forked child: let go of the parent's segment. */
void ls_segment_forget(void);

/* Whether this call runs in the process that is traced, and not in its vfork child, which shares our memory but neither
 * its descriptors nor its locks. A system call: for rare paths only. */
bool ls_at_home(void);

/* Something could not be kept. */
void ls_lose(void);

/* Field 22 of /proc/self/stat, 0 unknown. */
uint64_t ls_process_start(void);

/* Read a file of /proc into `room` bytes, NUL-terminated; gives its length, 0 where it cannot be read. */
size_t ls_read_proc(const char *path, char *into, size_t room);

#endif
