/* The table of a process's database files, and of its descriptors. */
#include "real.h"

#include "files.h"
#include "slow.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* SQLite's byte ranges: PENDING_BYTE to the end of the SHARED range in os.h, and UNIX_SHM_BASE to UNIX_SHM_DMS in
 * os_unix.c. */
#define MAIN_FIRST INT64_C(0x40000000)
#define MAIN_END INT64_C(0x40000200)
#define SHM_FIRST INT64_C(120)
#define SHM_END INT64_C(129)

uint16_t ls_classes[LS_DESCRIPTORS];
uint64_t ls_locking[LS_DESCRIPTORS / 64];
struct ls_file ls_files[LS_FILES];
static size_t places;        /* of `ls_files` that have ever been used */
static uint32_t last_number; /* given to a file */
static int highest = -1;     /* descriptor that has a class */
static char path[PATH_MAX];  /* what path_of has read; like all here but the classes, owned by who holds the lock */

static uint64_t hash(const char *bytes, size_t n) { /* FNV-1a, 64 bits */
  uint64_t h = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
  return h;
}

/* Read the descriptor's path; its length, 0 where there is none. Opens nothing. */
static size_t path_of(int fd) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path);
  return n > 0 && path[0] == '/' ? (size_t)n : 0;
}

static bool in_use(const struct ls_file *file) {
  return file->number != 0 && (file->pinned || __atomic_load_n(&file->descriptors, __ATOMIC_RELAXED) > 0);
}

/* An inode is reused once its file is deleted, so only files with an open descriptor are found by it. */
static struct ls_file *open_file_of(const struct stat *status) {
  for (size_t i = 0; i < places; i++) {
    struct ls_file *file = &ls_files[i];
    if (file->inode == status->st_ino && file->device == status->st_dev && file->locked && in_use(file)) return file;
  }
  return NULL;
}

/* The file last met under a path, in use before not in use; NULL for none. */
static struct ls_file *file_named(uint64_t path_hash) {
  struct ls_file *best = NULL;
  for (size_t i = 0; i < places; i++) {
    struct ls_file *file = &ls_files[i];
    if (file->path != path_hash || file->number == 0) continue;
    if (best == NULL || (in_use(file) && !in_use(best)) ||
        (in_use(file) == in_use(best) && file->number > best->number)) {
      best = file;
    }
  }
  return best;
}

static struct ls_file *free_place(void) {
  if (places < LS_FILES) {
    struct ls_file *fresh = &ls_files[places];
    __atomic_store_n(&places, places + 1, __ATOMIC_RELEASE);
    return fresh;
  }
  static size_t next;
  for (size_t tried = 0; tried < LS_FILES; tried++) {
    struct ls_file *file = &ls_files[next++ % LS_FILES];
    if (!in_use(file) && __atomic_load_n(&file->calls, __ATOMIC_RELAXED) == 0) return file;
  }
  ls_lose();
  return NULL;
}

static const char *const endings[LS_COMPANIONS] = {[LS_SHM] = "-shm", [LS_WAL] = "-wal", [LS_JOURNAL] = "-journal"};

/* Which companion of a database a path of `n` bytes names, and the database's main file; LS_COMPANIONS for none. */
static int companion_of(size_t n, struct ls_file **owner) {
  for (int which = 0; which < LS_COMPANIONS; which++) {
    size_t ending = strlen(endings[which]);
    if (n <= ending || memcmp(path + n - ending, endings[which], ending) != 0) continue;
    *owner = file_named(hash(path, n - ending));
    if (*owner != NULL) return which;
  }
  return LS_COMPANIONS;
}

static void record_file(const struct ls_file *file) {
  struct lockscope_record record = {
      .kind = LOCKSCOPE_FILE,
      .began_ns = ls_now(),
      .duration_ns = file->device,
      .start = file->inode,
      .length = file->path_text,
      .file = file->number,
  };
  ls_record(&record);
}

/* Give the file at `status` and `path` a number; `known` is the place it had under the same path, NULL for none. */
static struct ls_file *add(const struct stat *status, size_t n, struct ls_file *known, bool locked) {
  struct ls_file *file = known != NULL && !in_use(known) ? known : free_place();
  if (file == NULL) return NULL;
  uint32_t text = known != NULL ? known->path_text : 0;
  struct ls_file *owner = NULL;
  int which = companion_of(n, &owner);
  file->locked = locked;
  file->pinned = false;
  file->exclusive = false;
  file->device = status->st_dev;
  file->path = hash(path, n);
  file->path_text = text != 0 ? text : ls_text(path, n);
  file->main = which < LS_COMPANIONS ? owner : file;
  if (which < LS_COMPANIONS) owner->companions[which] = file;
  if (file->main == file) memset(file->companions, 0, sizeof file->companions);
  __atomic_store_n(&file->inode, status->st_ino, __ATOMIC_RELAXED);
  __atomic_store_n(&file->number, ++last_number, __ATOMIC_RELEASE);
  record_file(file);
  return file;
}

static void set_class(int fd, uint16_t class) {
  if ((unsigned)fd >= LS_DESCRIPTORS) return;
  if (fd > highest) __atomic_store_n(&highest, fd, __ATOMIC_RELAXED);
  __atomic_store_n(&ls_classes[fd], class, __ATOMIC_RELEASE);
}

static struct ls_file *attach(int fd, struct ls_file *file) {
  if (file == NULL) return NULL;
  if ((unsigned)fd < LS_DESCRIPTORS) {
    __atomic_fetch_add(&file->descriptors, 1, __ATOMIC_RELAXED);
    set_class(fd, (uint16_t)(LS_FIRST_FILE + (file - ls_files)));
  } else {
    file->pinned = true;
  }
  return file;
}

/* What was no database's file may be one now that another file is known. */
static void reconsider_foreign(void) {
  for (int fd = 0; fd <= highest; fd++) {
    uint16_t foreign = LS_FOREIGN;
    __atomic_compare_exchange_n(&ls_classes[fd], &foreign, LS_UNSEEN, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  }
}

static struct ls_file *meet_locked(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return NULL;
  struct ls_file *file = open_file_of(&status);
  if (file != NULL) return attach(fd, file);
  size_t n = path_of(fd);
  struct ls_file *known = file_named(hash(path, n));
  bool same = known != NULL && known->locked && known->inode == status.st_ino && known->device == status.st_dev;
  file = attach(fd, same ? known : add(&status, n, known, true));
  reconsider_foreign();
  if (file != NULL) __atomic_store_n(&ls_home->watching, true, __ATOMIC_RELEASE);
  return file;
}

/* The file of a descriptor that is written, by its inode or by its name. */
static struct ls_file *recognise(int fd, const struct stat *status) {
  struct ls_file *file = open_file_of(status), *owner = NULL;
  if (file != NULL) return file;
  size_t n = path_of(fd);
  int which = companion_of(n, &owner);
  if (which == LS_COMPANIONS) return NULL;
  /* By its name alone: a rollback journal is a new inode in every transaction. */
  file = owner->companions[which];
  if (file != NULL && file->path == hash(path, n)) return file;
  return add(status, n, file_named(hash(path, n)), false);
}

static struct ls_file *meet_written(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return NULL;
  struct ls_file *file = S_ISREG(status.st_mode) ? recognise(fd, &status) : NULL;
  if (file != NULL) return attach(fd, file);
  set_class(fd, LS_FOREIGN);
  return NULL;
}

/* SQLite's header string. Only asked of a file that somebody locks from end to end, which any program may do. */
static bool is_database(int fd) {
  char magic[16];
  int before = errno;
  bool is = syscall(SYS_pread64, fd, magic, sizeof magic, 0L) == sizeof magic &&
            memcmp(magic, "SQLite format 3", sizeof magic) == 0;
  errno = before;
  return is;
}

static bool on_sqlite_bytes(int fd, const struct flock *range, bool foreign) {
  if (range->l_whence != SEEK_SET) return false;
  int64_t first = range->l_start, length = range->l_len;
  if (length < 0) first += length, length = -length; /* fcntl(2): the range lies before l_start */
  int64_t end = length == 0 || first > INT64_MAX - length ? INT64_MAX : first + length;
  if (first >= SHM_FIRST && end <= SHM_END) return true;
  if (first >= MAIN_END || end <= MAIN_FIRST) return false;
  return (first >= MAIN_FIRST && end <= MAIN_END) || (!foreign && is_database(fd));
}

static struct ls_file *of_class(uint16_t class) { return class >= LS_FIRST_FILE ? ls_file_of_class(class) : NULL; }

/* Look at a descriptor for the first time; NULL where it is no database's. */
static struct ls_file *meet(int fd, struct ls_file *(*way)(int)) {
  struct ls_slow slow;
  if (fd < 0 || !ls_at_home()) return NULL;
  if (!ls_begin() || !ls_slow_enter(&slow)) {
    ls_lose();
    return NULL;
  }
  struct ls_file *file = of_class(ls_class(fd)); /* another thread may have met it meanwhile */
  if (file == NULL) file = way(fd);
  ls_slow_leave(&slow);
  return file;
}

struct ls_file *ls_file_to_lock(int fd, const struct flock *range) {
  uint16_t class = ls_class(fd);
  if (class >= LS_FIRST_FILE) return of_class(class);
  if (on_sqlite_bytes(fd, range, class == LS_FOREIGN)) return meet(fd, meet_locked);
  return class == LS_UNSEEN && ls_home->watching ? meet(fd, meet_written) : NULL;
}

struct ls_file *ls_file_to_write(int fd) {
  uint16_t class = ls_class(fd);
  return class == LS_UNSEEN ? meet(fd, meet_written) : of_class(class);
}

static struct ls_file *meet_closed(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 ? open_file_of(&status) : NULL;
}

static bool has_known_inode(int fd) {
  struct stat status;
  int before = errno;
  bool known = false;
  if (fstat(fd, &status) == 0) {
    size_t n = __atomic_load_n(&places, __ATOMIC_ACQUIRE);
    for (size_t i = 0; i < n && !known; i++) {
      known = __atomic_load_n(&ls_files[i].inode, __ATOMIC_RELAXED) == status.st_ino;
    }
  }
  errno = before;
  return known;
}

struct ls_file *ls_file_to_close(int fd) {
  uint16_t class = ls_class(fd);
  if (class == LS_UNSEEN) return has_known_inode(fd) ? meet(fd, meet_closed) : NULL;
  if (class >= LS_FIRST_FILE && !ls_at_home()) return NULL;
  struct ls_file *file = of_class(__atomic_exchange_n(&ls_classes[fd], LS_UNSEEN, __ATOMIC_ACQ_REL));
  if (file == NULL) return NULL;
  __atomic_fetch_sub(&file->descriptors, 1, __ATOMIC_RELAXED);
  return file->locked ? file : NULL;
}

const struct ls_file *ls_file_of_inode(const struct stat *status) {
  size_t n = __atomic_load_n(&places, __ATOMIC_ACQUIRE);
  for (size_t i = 0; i < n; i++) {
    const struct ls_file *file = &ls_files[i];
    if (__atomic_load_n(&file->inode, __ATOMIC_RELAXED) == status->st_ino && file->device == status->st_dev &&
        in_use(file)) {
      return file;
    }
  }
  return NULL;
}

bool ls_removes_itself(const char *removed) {
  size_t length = strlen(removed), n = __atomic_load_n(&places, __ATOMIC_ACQUIRE);
  for (int which = 0; which < LS_COMPANIONS; which++) {
    size_t ending = strlen(endings[which]);
    if (length <= ending || memcmp(removed + length - ending, endings[which], ending) != 0) continue;
    uint64_t owner = hash(removed, length - ending);
    for (size_t i = 0; i < n; i++) {
      if (ls_files[i].path == owner && ls_files[i].exclusive) return true;
    }
  }
  return false;
}

uint32_t ls_file_met(const struct stat *status, const char *met, size_t n) {
  const struct ls_file *known = ls_file_of_inode(status);
  struct ls_slow slow;
  /* Of a file with several names another one may have gone. */
  if (known != NULL && (status->st_nlink == 1 || known->path == hash(met, n))) return known->number;
  if (!ls_slow_enter(&slow)) return 0;
  known = file_named(hash(met, n));
  bool same = known != NULL && known->inode == status->st_ino && known->device == status->st_dev;
  struct ls_file file = {.device = status->st_dev, .inode = status->st_ino, .number = same ? known->number : 0};
  if (!same) {
    file.path_text = ls_text(met, n);
    file.number = ++last_number;
    record_file(&file);
  }
  ls_slow_leave(&slow);
  return file.number;
}

void ls_files_forget(void) {
  memset(ls_files, 0, places * sizeof ls_files[0]);
  if (highest >= 0) { /* else none has ever been written, and the child's own pages of them would be made for nothing */
    memset(ls_locking, 0, sizeof ls_locking);
    memset(ls_classes, 0, ((size_t)highest + 1) * sizeof ls_classes[0]);
  }
  places = 0;
  last_number = 0;
  highest = -1;
}
