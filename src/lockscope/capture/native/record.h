/* The trace on disk, as the native recorder writes it: docs/trace-format.md in C.
 *
 * `lockscope.trace.records` is the same page in Python; tests/trace/test_codec.py holds the two together.
 * All numbers are little-endian; the clock is CLOCK_MONOTONIC in nanoseconds. */
#ifndef LOCKSCOPE_RECORD_H
#define LOCKSCOPE_RECORD_H

#include <stdint.h>

#define LOCKSCOPE_MAGIC "LKSCOPE\n"
#define LOCKSCOPE_VERSION 1
#define LOCKSCOPE_HEADER_BYTES 4096
/* The first line of every text file, so that offset 0 never names a text and can mean "none". */
#define LOCKSCOPE_TEXT_HEAD "lockscope text 1\n"

enum lockscope_recorder { LOCKSCOPE_NATIVE = 1, LOCKSCOPE_WORKER = 2, LOCKSCOPE_SUPERVISOR = 3, LOCKSCOPE_SAMPLER = 4 };

/* What a record tells. The comment names the fields whose meaning is not the general one of
 * `struct lockscope_record`; a "text" is a byte offset into the segment's text file, 0 for none. */
enum lockscope_kind {
  LOCKSCOPE_PROCESS = 1,    /* whose segment this is: start = parent's pid when the process began, length = text of the
                               command line, file = text of the working folder, context = text of the executable's
                               path, as they were when the segment began */
  LOCKSCOPE_FORK = 2,       /* start = pid of the child */
  LOCKSCOPE_EXEC = 3,       /* length = text of the path; error = errno where the exec failed */
  LOCKSCOPE_EXIT = 4,       /* start = exit status */
  LOCKSCOPE_FILE = 5,       /* a file was met: file = its number in this segment (1, 2, ...), start = inode,
                               duration_ns = st_dev, length = text of its path */
  LOCKSCOPE_CONTEXT = 6,    /* a statement at a place was met: context = its number in this segment
                               (1, 2, ...), length = text of the SQL, file = text of "path:line" */
  LOCKSCOPE_LOCK = 7,       /* F_SETLK, F_OFD_SETLK */
  LOCKSCOPE_LOCK_WAIT = 8,  /* F_SETLKW, F_OFD_SETLKW */
  LOCKSCOPE_LOCK_TEST = 9,  /* F_GETLK, F_OFD_GETLK: error = 0 nobody in the way, EAGAIN somebody */
  LOCKSCOPE_SLEEP = 10,     /* start = asked for, in ns; duration_ns = slept */
  LOCKSCOPE_SYNC = 11,      /* fsync (mode 0), fdatasync (mode 1) */
  LOCKSCOPE_WRITES = 12,    /* the writes to one file since the process's last lock change on its database:
                               began_ns = the first, start = calls, length = bytes asked for; not timed */
  LOCKSCOPE_CLOSE = 13,     /* a descriptor of a locked file was closed: start = descriptor, length = text
                               "module+0xoffset" of the call, mode = LOCKSCOPE_ANOTHER where no lock
                               was ever taken through it */
  LOCKSCOPE_STATEMENT = 14, /* a call into a database driver: mode = enum lockscope_method, error = extended
                               result code (0xffff: an error without one), length = text of the message,
                               start = identity of the connection, 0 unknown */
  LOCKSCOPE_ATTEMPT = 15,   /* the lab: a transaction is about to be tried: start = transaction (1, 2, ...),
                               file = attempt (1, 2, ...), length = text of the record's key */
  LOCKSCOPE_OUTCOME = 16,   /* the lab: how that try ended: start, file, length as in ATTEMPT,
                               mode = enum lockscope_outcome, error = extended result code,
                               context = text of the message */
  LOCKSCOPE_ENDED = 17,     /* the supervisor saw a process end: start = its pid, file = exit status,
                               mode = 0 status unknown, 1 exited, 2 killed by signal `file` */
  LOCKSCOPE_NOTE = 18,      /* the recorder has something to say: length = text */
  LOCKSCOPE_SEEN = 19,      /* the sampler: a lock came into sight (mode), or is gone (mode 0; error = its mode),
                               between the sample that began at began_ns and the end of this one: start, length
                               and file as of a lock, context = pid of the holder, 0 unknown */
  LOCKSCOPE_SAMPLES = 20,   /* samples in a row: start = how many, length = longest time from the beginning of one
                               to that of the next, file = longest that one took, both in ns */
  LOCKSCOPE_HOLDER = 21,    /* who a pid of SEEN is: start = pid, its number in its own PID namespace << 32,
                               duration_ns = field 22 of its stat, texts: length = command line, file = working
                               folder, context = user id + 1, 0 unknown; again with mode = 'T' where it is stopped,
                               'D' where it is asleep without interruption, and 0 once it goes on */
  LOCKSCOPE_REMOVE = 22     /* a file of a database lost its name: mode = enum lockscope_removal, start = names it has
                               left, length = text of its new path, or of the path of what took its place,
                               duration_ns = text "module+0xoffset" of the call */
};

enum lockscope_mode { LOCKSCOPE_UNLOCK = 0, LOCKSCOPE_SHARED = 1, LOCKSCOPE_EXCLUSIVE = 2 };

/* Added to the mode of a lock call: F_OFD_*, whose lock is the open file description's, not the process's. */
#define LOCKSCOPE_BY_DESCRIPTION 4
/* The mode of a CLOSE. */
#define LOCKSCOPE_ANOTHER 1
/* The mode of a REMOVE. */
enum lockscope_removal { LOCKSCOPE_UNLINKED = 1, LOCKSCOPE_RENAMED = 2, LOCKSCOPE_REPLACED = 3 };

enum lockscope_method {
  LOCKSCOPE_CONNECT = 1,
  LOCKSCOPE_EXECUTE = 2,
  LOCKSCOPE_EXECUTEMANY = 3,
  LOCKSCOPE_EXECUTESCRIPT = 4,
  LOCKSCOPE_FETCH = 5,
  LOCKSCOPE_COMMIT = 6,
  LOCKSCOPE_ROLLBACK = 7,
  LOCKSCOPE_CLOSE_CONNECTION = 8,
  LOCKSCOPE_BACKUP = 9,
  LOCKSCOPE_OTHER = 10
};

enum lockscope_outcome { LOCKSCOPE_COMMITTED = 1, LOCKSCOPE_FAILED = 2, LOCKSCOPE_UNKNOWN = 3 };

struct lockscope_record {
  uint64_t began_ns;
  uint64_t duration_ns;
  uint64_t start;    /* locks: first byte of the range */
  uint32_t length;   /* locks: bytes of the range, 0 to the end of the file; 0xffffffff for more than fits */
  uint32_t thread;   /* thread id, as gettid() gives it */
  uint32_t file;     /* number given by a FILE record of this segment, 0 none */
  uint32_t context;  /* number given by a CONTEXT record of this segment, 0 none */
  uint8_t kind;      /* enum lockscope_kind */
  uint8_t mode;      /* locks: enum lockscope_mode */
  uint16_t error;    /* errno of the call, 0 for success */
  uint32_t sequence; /* written last: (index of the record in its segment) % 0xffffffff + 1 */
};

struct lockscope_header {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;
  uint32_t record_bytes;
  uint32_t pid;
  uint64_t started_ns;
  uint64_t process_start; /* field 22 of /proc/self/stat, 0 unknown: tells reused pids apart */
  uint32_t recorder;      /* enum lockscope_recorder */
  uint32_t reserved;
  uint64_t next;      /* slots handed out so far */
  uint64_t text_used; /* bytes of the text file handed out so far */
  uint64_t lost;      /* records and texts that could not be kept */
  uint64_t blind_ns;  /* when the first of them was lost, 0 never */
  /* Once the records no longer grow but turn in a ring: how many slots stay as they were first written, and how many
   * turn behind them. Slot n >= ring_first lies at place ring_first + (n - ring_first) % ring_records. 0: no ring. */
  uint64_t ring_first, ring_records;
};

/* The file LOCKSCOPE_ROOM of a trace with a greatest size; all processes map it and take from it before they grow. */
#define LOCKSCOPE_ROOM "room"
struct lockscope_room {
  uint64_t limit;      /* bytes that the whole trace may have */
  uint64_t taken;      /* bytes that recorders have taken so far */
  uint64_t freed;      /* bytes of files that lockscope, which alone writes this field and the next two, took away */
  uint64_t removed;    /* segments that were taken away, of processes that had ended */
  uint64_t removed_ns; /* when the last of their processes had ended: what is older may be missing */
};

_Static_assert(sizeof(struct lockscope_record) == 48, "a record is 48 bytes");
_Static_assert(sizeof(struct lockscope_header) == 96, "a header is 96 bytes");

#endif
