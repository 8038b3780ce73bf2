/* Scenes of descriptors: written, closed in every way, reused, and limits of the process. */
#include "actor.h"

#include <sys/resource.h>
#include <sys/uio.h>

/* writes FOLDER: to a database, its journal, its log, and to a file that is none of them. */
int writes_scene(int argc, char **argv) {
  REQUIRE(argc == 1 && chdir(argv[0]) == 0);
  int fd = database("a.db"), journal = opened("a.db-journal"), wal = opened("a.db-wal"), other = opened("other-wal");
  struct iovec parts[2] = {{"ab", 2}, {"cde", 3}};
  REQUIRE(write(fd, "x", 1) == 1);
  REQUIRE(pwrite(fd, "xy", 2, 0) == 2);
  REQUIRE(pwrite64(fd, "xyz", 3, 0) == 3);
  REQUIRE(writev(fd, parts, 2) == 5);
  REQUIRE(pwritev(fd, parts, 2, 0) == 5);
  REQUIRE(pwritev64(fd, parts, 2, 0) == 5);
  REQUIRE(ftruncate(fd, 100) == 0 && ftruncate64(fd, 50) == 0);
  REQUIRE(write(journal, "1234567", 7) == 7);
  REQUIRE(write(wal, "123", 3) == 3 && write(wal, "45", 2) == 2);
  REQUIRE(write(other, "none", 4) == 4);
  REQUIRE(fsync(fd) == 0 && fdatasync(journal) == 0 && fsync(other) == 0);
  REQUIRE(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1) == 0);
  REQUIRE(write(wal, "at the end", 10) == 10);
  return 0;
}

/* reuse FOLDER: a number that was a database's becomes another file's, and the other way round. */
int reuse_scene(int argc, char **argv) {
  REQUIRE(argc == 1 && chdir(argv[0]) == 0);
  int keep = database("keep.db"), fd = database("a.db");
  REQUIRE(close(fd) == 0);
  int plain = opened("plain");
  REQUIRE(plain == fd && write(plain, "plain", 5) == 5 && fsync(plain) == 0 && close(plain) == 0);
  REQUIRE(database("b.db") == fd && close(fd) == 0);
  plain = opened("plain");
  REQUIRE(plain == fd && write(plain, "x", 1) == 1);
  int taken = database("a.db");
  REQUIRE(dup2(taken, plain) == plain && lock(plain, F_SETLK, F_RDLCK, SHARED, SHARED_BYTES) == 0);
  return keep < 0;
}

/* closes DATABASE: a lock, and then the end of it through each way to close a descriptor. Prints the descriptors. */
int closes_scene(int argc, char **argv) {
  REQUIRE(argc == 1);
  int spare = opened("/dev/null"), fd = database(argv[0]);
  printf("close %d\n", fd);
  REQUIRE(close(fd) == 0);
  REQUIRE((fd = database(argv[0])) >= 0);
  printf("dup2 %d\n", fd);
  REQUIRE(dup2(spare, fd) == fd && close(fd) == 0);
  REQUIRE((fd = database(argv[0])) >= 0);
  printf("dup3 %d\n", fd);
  REQUIRE(dup3(spare, fd, O_CLOEXEC) == fd && close(fd) == 0);
  REQUIRE((fd = database(argv[0])) >= 0);
  printf("fclose %d\n", fd);
  REQUIRE(fclose(fdopen(fd, "r+")) == 0);
  REQUIRE((fd = database(argv[0])) >= 0);
  int never_locked = opened(argv[0]);
  printf("never-locked %d\n", never_locked);
  REQUIRE(close(never_locked) == 0);
  printf("close_range %d\n", fd);
  REQUIRE(close_range((unsigned)fd, ~0U, 0) == 0);
  REQUIRE((fd = database(argv[0])) >= 0);
  printf("closefrom %d\n", fd);
  closefrom(fd);
  /* None of these closes a database. */
  REQUIRE(dup2(spare, spare) == spare && dup2(-1, spare) == -1 && close(-1) == -1);
  REQUIRE((fd = database(argv[0])) >= 0 && dup2(fd, fd) == fd && close_range((unsigned)fd, ~0U, 1 << 2) == 0);
  REQUIRE(fclose(fmemopen(NULL, 10, "w")) == 0);
  return 0;
}

/* plain FOLDER: a program without a database, with locks of its own. */
int plain_scene(int argc, char **argv) {
  REQUIRE(argc == 1 && chdir(argv[0]) == 0);
  int fd = opened("plain");
  REQUIRE(lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0 && lock(fd, F_SETLK, F_WRLCK, 0, 0) == 0);
  REQUIRE(write(fd, "x", 1) == 1 && fsync(fd) == 0 && usleep(1) == 0 && close(fd) == 0);
  printf("plain\n");
  return 0;
}

/* limited DATABASE COUNT: locks in a process that may not write large files: one byte too many is SIGXFSZ. */
int limited_scene(int argc, char **argv) {
  REQUIRE(argc == 2);
  struct rlimit limit = {100000, 100000};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  return loop_scene(argc, argv);
}

/* descriptors WHEN DATABASE COUNT: locks in a process that has no descriptor left, "after" a first lock or "before" it.
 */
int descriptors_scene(int argc, char **argv) {
  REQUIRE(argc == 3);
  int fd = strcmp(argv[0], "after") == 0 ? database(argv[1]) : opened(argv[1]);
  struct rlimit before, none;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  none = (struct rlimit){(rlim_t)fd + 1, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  for (long count = atol(argv[2]); count > 0; count--) {
    REQUIRE(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1) == 0);
    REQUIRE(lock(fd, F_SETLK, F_UNLCK, RESERVED, 1) == 0);
  }
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  return 0;
}
