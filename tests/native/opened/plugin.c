/* A library that locks a database by itself, as an extension with SQLite in it does. */
#include <fcntl.h>
#include <unistd.h>

int lock_reserved(const char *path);

/* SQLite keeps such a table (aSyscall in os_unix.c): bound when the library is loaded. */
static int (*const kept)(int, int, ...) = fcntl;
static int (*volatile through)(int, int, ...) = fcntl;

int lock_reserved(const char *path) {
  struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000001, .l_len = 1};
  int fd = open(path, O_RDWR | O_CREAT, 0600);
  if (fd < 0 || fcntl(fd, F_SETLK, &range) != 0 || kept(fd, F_SETLK, &range) != 0) return 1;
  return through(fd, F_SETLK, &range) != 0 || close(fd) != 0;
}
