/* Files of the trace: opened, grown, written and closed again at once. */
#include "real.h"

#include "storage.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14, madvise(2) */
#endif

/* System calls, not the C library: another preloaded library may have wrapped open and close as well. */
static int open_file(const char *path, int flags) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
}

static void close_file(int fd) { syscall(SYS_close, fd); }

/* Beyond RLIMIT_FSIZE the kernel sends SIGXFSZ, which ends the program: setrlimit(2). */
static bool within_size_limit(off_t end) {
  struct rlimit limit;
  return getrlimit(RLIMIT_FSIZE, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || (rlim_t)end <= limit.rlim_cur);
}

static bool write_zeros(int fd, off_t from, off_t end) {
  static char zeros[65536];
  while (from < end) {
    /* Up to the next border of that size: a write that crosses it is cached in small folios, which are dear to map. */
    size_t n = sizeof zeros - ((size_t)from & (sizeof zeros - 1));
    if ((size_t)(end - from) < n) n = (size_t)(end - from);
    ssize_t written = syscall(SYS_pwrite64, fd, zeros, n, from);
    if (written <= 0) return false;
    from += written;
  }
  return true;
}

/* A store into a hole of a mapped file is a SIGBUS once the disk is full: mmap(2). Where fallocate is not supported the
 * zeros reserve the space; where it is, they still make the pages' first stores five times cheaper, because ext4 then
 * finds large folios in its cache instead of unwritten blocks. */
static bool reserve(int fd, off_t offset, off_t length) {
  if (!within_size_limit(offset + length)) return false;
  for (int attempt = 0; attempt < 8; attempt++) {
    if (syscall(SYS_fallocate, fd, 0, offset, length) == 0 || errno == EOPNOTSUPP || errno == ENOSYS) break;
    if (errno != EINTR) return false;
  }
  return write_zeros(fd, offset, offset + length);
}

/* Bytes between the page border below `offset` and `offset`: mmap takes page borders only, and a page may be 64 KB. */
static size_t border(off_t offset) { return (size_t)offset & ((size_t)sysconf(_SC_PAGESIZE) - 1); }

bool ls_storage_create(const char *path) {
  int fd = open_file(path, O_RDWR | O_CREAT | O_EXCL);
  if (fd < 0) return false;
  close_file(fd);
  return true;
}

void ls_storage_remove(const char *path) { syscall(SYS_unlinkat, AT_FDCWD, path, 0); }

static void *map(const char *path, off_t offset, size_t length, bool reserved) {
  int fd = open_file(path, O_RDWR);
  if (fd < 0) return NULL;
  void *mapped = MAP_FAILED;
  size_t before = border(offset);
  if (reserved || reserve(fd, offset, (off_t)length)) {
    mapped = mmap(NULL, before + length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset - (off_t)before);
  }
  close_file(fd);
  if (mapped == MAP_FAILED) return NULL;
  /* Faults taken one by one cost the program more; a kernel that does not know this takes them then. */
  (void)madvise(mapped, before + length, MADV_POPULATE_WRITE);
  return (char *)mapped + before;
}

void *ls_storage_map(const char *path, off_t offset, size_t length) { return map(path, offset, length, false); }

void *ls_storage_map_again(const char *path, off_t offset, size_t length) { return map(path, offset, length, true); }

void ls_storage_unmap(void *mapped, off_t offset, size_t length) {
  size_t before = border(offset);
  munmap((char *)mapped - before, before + length);
}

bool ls_storage_write(const char *path, const char *bytes, size_t n, off_t offset) {
  if (!within_size_limit(offset + (off_t)n)) return false;
  int fd = open_file(path, O_WRONLY);
  if (fd < 0) return false;
  ssize_t written = syscall(SYS_pwrite64, fd, bytes, n, offset);
  close_file(fd);
  return written == (ssize_t)n;
}
