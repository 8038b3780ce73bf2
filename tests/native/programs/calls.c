/* Scenes of results: what every wrapped function returns, and what it leaves in errno. */
#include "actor.h"

#include <pthread.h>
#include <sys/uio.h>
#include <time.h>

#define TELL(call)                                                                                                     \
  do {                                                                                                                 \
    errno = 4321;                                                                                                      \
    long result = (long)(call);                                                                                        \
    printf("%s = %ld, errno %d\n", #call, result, errno);                                                              \
  } while (0)

static struct timespec nap(long ns) { return (struct timespec){0, ns}; }

static void tell_all(int fd) {
  struct iovec part = {"ab", 2};
  struct timespec brief = nap(1000), wrong = nap(-1);
  TELL(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1));
  TELL(lock(fd, F_SETLK, 77, RESERVED, 1));
  TELL(lock(fd, F_GETLK, F_WRLCK, RESERVED, 1));
  TELL(lock(fd, F_OFD_SETLK, F_WRLCK, RESERVED, 1));
  TELL(fcntl64(fd, F_GETFD));
  TELL(fcntl(fd, F_SETLK, NULL));
  TELL(write(fd, "x", 1));
  TELL(pwrite(fd, "x", 1, -1));
  TELL(pwrite64(fd, "x", 1, 3));
  TELL(writev(fd, &part, 1));
  TELL(writev(fd, NULL, 0));
  TELL(pwritev(fd, &part, 1, 0));
  TELL(pwritev64(fd, &part, 1, -1));
  TELL(ftruncate(fd, 10));
  TELL(ftruncate64(fd, -1));
  TELL(fsync(fd));
  TELL(fdatasync(fd));
  TELL(usleep(1));
  TELL(sleep(0));
  TELL(nanosleep(&brief, NULL));
  TELL(nanosleep(&wrong, NULL));
  TELL(clock_nanosleep(CLOCK_MONOTONIC, 0, &brief, NULL));
  TELL(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &brief, NULL));
  TELL(clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, NULL));
  TELL(dup2(fd, -1));
  TELL(dup3(fd, fd, 0));
  TELL(close_range(5, 4, 0));
  TELL(execl("/nonexistent/program", "program", NULL) < 0);
}

/* errno DATABASE: on a database, on a file that is none, and on no file; prints results and errno. */
int errno_scene(int argc, char **argv) {
  REQUIRE(argc == 1);
  int plain = opened("/dev/null"), fd = opened(argv[0]);
  tell_all(plain);
  tell_all(fd);
  tell_all(plain);
  tell_all(-1);
  tell_all(1000);
  TELL(close(fd));
  TELL(close(fd));
  return 0;
}

static void *sleep_without_lock(void *unused) {
  (void)unused;
  REQUIRE(usleep(7) == 0);
  return NULL;
}

/* sleeps DATABASE: before the first lock, after it, and in a thread without one. */
int sleeps_scene(int argc, char **argv) {
  REQUIRE(argc == 1);
  pthread_t other;
  struct timespec brief = nap(3000), end;
  REQUIRE(usleep(1) == 0);
  database(argv[0]);
  REQUIRE(usleep(2) == 0 && nanosleep(&brief, NULL) == 0 && sleep(0) == 0);
  REQUIRE(clock_nanosleep(CLOCK_REALTIME, 0, &brief, NULL) == 0);
  REQUIRE(clock_gettime(CLOCK_MONOTONIC, &end) == 0);
  end.tv_sec -= 1;
  REQUIRE(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == 0);
  REQUIRE(pthread_create(&other, NULL, sleep_without_lock, NULL) == 0 && pthread_join(other, NULL) == 0);
  return 0;
}

/* exit DATABASE WAY STATUS: the end of a process that has unfinished writes. */
int exit_scene(int argc, char **argv) {
  REQUIRE(argc == 3);
  int fd = database(argv[0]), status = atoi(argv[2]);
  REQUIRE(write(fd, "x", 1) == 1);
  if (strcmp(argv[1], "exit") == 0) exit(status);
  if (strcmp(argv[1], "_exit") == 0) _exit(status);
  if (strcmp(argv[1], "_Exit") == 0) _Exit(status);
  return status;
}
