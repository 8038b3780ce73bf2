/* Scenes of locks: one thread, many threads, signal handlers. */
#include "actor.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/time.h>
#include <sys/wait.h>

/* locks DATABASE: every command, with every mode, granted and refused. Another process holds RESERVED. */
int locks_scene(int argc, char **argv) {
  REQUIRE(argc == 1);
  int held[2], done[2];
  char byte;
  REQUIRE(pipe(held) == 0 && pipe(done) == 0);
  pid_t holder = fork();
  if (holder == 0) {
    close(done[1]);
    int fd = opened(argv[0]);
    REQUIRE(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1) == 0);
    REQUIRE(write(held[1], "x", 1) == 1 && read(done[0], &byte, 1) == 0);
    _exit(0);
  }
  REQUIRE(read(held[0], &byte, 1) == 1);
  int fd = opened(argv[0]);
  printf("setlk %d\n", lock(fd, F_SETLK, F_RDLCK, SHARED, SHARED_BYTES));
  printf("refused %d\n", lock(fd, F_SETLK, F_WRLCK, RESERVED, 1));
  printf("test taken %d\n", lock(fd, F_GETLK, F_WRLCK, RESERVED, 1));
  printf("test free %d\n", lock(fd, F_GETLK, F_WRLCK, PENDING, 1));
  printf("wait %d\n", lock(fd, F_SETLKW, F_WRLCK, PENDING, 1));
  printf("unlock %d\n", lock(fd, F_SETLK, F_UNLCK, 0, 0));
  printf("ofd %d\n", lock(fd, F_OFD_SETLK, F_RDLCK, SHARED, SHARED_BYTES));
  printf("ofd wait %d\n", lock(fd, F_OFD_SETLKW, F_WRLCK, PENDING, 1));
  printf("ofd test %d\n", lock(fd, F_OFD_GETLK, F_WRLCK, RESERVED, 1));
  printf("backwards %d\n", lock(fd, F_SETLK, F_UNLCK, SHARED + SHARED_BYTES, -SHARED_BYTES));
  printf("long %d\n", lock(fd, F_SETLK, F_UNLCK, 1, 0x200000000));
  printf("invalid %d\n", lock(fd, F_SETLK, 77, RESERVED, 1));
  close(done[0]);
  close(done[1]);
  await(holder);
  return 0;
}

/* whole-file DATABASE OTHER: a lock over all of a file is of interest where the file is a database. */
int whole_file_scene(int argc, char **argv) {
  REQUIRE(argc == 2);
  int other = opened(argv[1]), fd = opened(argv[0]);
  REQUIRE(lock(other, F_SETLK, F_WRLCK, 0, 0) == 0);
  REQUIRE(write(fd, "SQLite format 3", 16) == 16);
  REQUIRE(lock(fd, F_SETLK, F_WRLCK, 0, 0) == 0);
  return 0;
}

/* loop DATABASE COUNT: lock and unlock, that often. */
int loop_scene(int argc, char **argv) {
  REQUIRE(argc == 2);
  int fd = opened(argv[0]);
  for (long count = atol(argv[1]); count > 0; count--) {
    REQUIRE(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1) == 0);
    REQUIRE(lock(fd, F_SETLK, F_UNLCK, RESERVED, 1) == 0);
  }
  return 0;
}

struct part {
  const char *path;
  long count;
  int number;
  pthread_barrier_t *start;
};

static void *lock_alone(void *argument) {
  const struct part *part = argument;
  int fd = opened(part->path);
  pthread_barrier_wait(part->start);
  for (long i = 0; i < part->count; i++) {
    REQUIRE(lock(fd, F_SETLK, F_WRLCK, SHARED + part->number, 1) == 0);
    REQUIRE(pwrite(fd, "x", 1, part->number) == 1);
    REQUIRE(lock(fd, F_SETLK, F_UNLCK, SHARED + part->number, 1) == 0);
  }
  return NULL; /* the descriptor stays: closing it would drop the locks of the other threads */
}

/* threads DATABASE COUNT THREADS: each on a byte of its own. */
int threads_scene(int argc, char **argv) {
  REQUIRE(argc == 3);
  enum { MOST = 64 };
  int n = atoi(argv[2]);
  pthread_t threads[MOST];
  struct part parts[MOST];
  pthread_barrier_t start;
  REQUIRE(n <= MOST && pthread_barrier_init(&start, NULL, (unsigned)n) == 0);
  for (int i = 0; i < n; i++) {
    parts[i] = (struct part){argv[0], atol(argv[1]), i, &start};
    REQUIRE(pthread_create(&threads[i], NULL, lock_alone, &parts[i]) == 0);
  }
  for (int i = 0; i < n; i++) REQUIRE(pthread_join(threads[i], NULL) == 0);
  return 0;
}

static int handler_fd;
static volatile sig_atomic_t handled;

static void lock_in_handler(int signal) {
  (void)signal;
  int before = errno;
  lock(handler_fd, F_SETLK, F_WRLCK, DMS, 1);
  lock(handler_fd, F_SETLK, F_UNLCK, DMS, 1);
  handled++;
  errno = before;
}

/* signals DATABASE SHM COUNT: a timer's handler locks as well, until it has done so COUNT times; what is met in between
 * is new each time, so that handlers also interrupt the meeting of a file. Prints the calls of both. */
int signals_scene(int argc, char **argv) {
  REQUIRE(argc == 3);
  struct sigaction action = {.sa_handler = lock_in_handler, .sa_flags = SA_RESTART};
  struct itimerval period = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
  long calls = 0;
  handler_fd = opened(argv[1]);
  REQUIRE(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &period, NULL) == 0);
  while (handled < atoi(argv[2])) {
    int fd = opened(argv[0]);
    for (int i = 0; i < 50; i++, calls += 2) {
      REQUIRE(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1) == 0);
      REQUIRE(lock(fd, F_SETLK, F_UNLCK, RESERVED, 1) == 0);
    }
    close(fd);
  }
  REQUIRE(setitimer(ITIMER_REAL, &never, NULL) == 0);
  printf("%ld %d\n", calls, 2 * handled);
  return 0;
}

static void fork_in_handler(int signal) {
  (void)signal;
  int before = errno;
  pid_t child = fork();
  if (child == 0) {
    int fd = handler_fd;
    _exit(lock(fd, F_SETLK, F_WRLCK, DMS, 1) == 0 || errno == EAGAIN ? 0 : 1);
  }
  await(child);
  handled++;
  errno = before;
}

/* handler-fork DATABASE SHM COUNT: a timer's handler forks, in the middle of whatever is being recorded. */
int handler_fork_scene(int argc, char **argv) {
  REQUIRE(argc == 3);
  struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
  handler_fd = opened(argv[1]);
  int fd = database(argv[0]);
  REQUIRE(sigaction(SIGALRM, &action, NULL) == 0);
  for (int seen = -1; handled < atoi(argv[2]);) {
    /* Once at a time: a period shorter than a fork would leave the loop no turn. */
    struct itimerval once = {{0, 0}, {0, 20 + handled}};
    bool rearm = seen != handled;
    seen = handled; /* before the timer runs, which may end before setitimer has returned */
    if (rearm) REQUIRE(setitimer(ITIMER_REAL, &once, NULL) == 0);
    REQUIRE(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1) == 0);
    REQUIRE(lock(fd, F_SETLK, F_UNLCK, RESERVED, 1) == 0);
  }
  printf("%d\n", handled);
  return 0;
}

/* many FOLDER COUNT: more databases than the recorder has places for, one after the other. */
int many_scene(int argc, char **argv) {
  REQUIRE(argc == 2);
  char path[4096];
  for (int i = 0; i < atoi(argv[1]); i++) {
    snprintf(path, sizeof path, "%s/%d.db", argv[0], i);
    int fd = opened(path);
    REQUIRE(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1) == 0);
    REQUIRE(close(fd) == 0 && unlink(path) == 0);
  }
  return 0;
}

static void lock_often(int fd, long count) {
  for (; count > 0; count--) {
    REQUIRE(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1) == 0);
    REQUIRE(lock(fd, F_SETLK, F_UNLCK, RESERVED, 1) == 0);
  }
}

/* met-late DATABASE LATER COUNT: a second database is met in the middle of the records, and locked again at the end. */
int met_late_scene(int argc, char **argv) {
  REQUIRE(argc == 3);
  int fd = opened(argv[0]), later = opened(argv[1]);
  lock_often(fd, 20000);
  lock_often(later, 1);
  lock_often(fd, atol(argv[2]));
  lock_often(later, 1);
  return 0;
}

/* fork-turning DATABASE COUNT: a child is forked after as many locks as it takes then itself. */
int fork_turning_scene(int argc, char **argv) {
  REQUIRE(argc == 2);
  int fd = opened(argv[0]);
  lock_often(fd, atol(argv[1]));
  pid_t child = fork();
  if (child == 0) {
    lock_often(fd, atol(argv[1]));
    exit(0);
  }
  await(child);
  lock_often(fd, 1);
  return 0;
}

/* become WAY USER DATABASE COUNT: open the database, become another user, and lock it. */
int become_scene(int argc, char **argv) {
  REQUIRE(argc == 4);
  uid_t user = (uid_t)atol(argv[1]);
  int fd = opened(argv[2]), result = -1;
  if (strcmp(argv[0], "setuid") == 0) result = setuid(user);
  if (strcmp(argv[0], "seteuid") == 0) result = seteuid(user);
  if (strcmp(argv[0], "setreuid") == 0) result = setreuid(user, user);
  if (strcmp(argv[0], "setresuid") == 0) result = setresuid(user, user, user);
  REQUIRE(result == 0);
  REQUIRE(geteuid() == user);
  lock_often(fd, atol(argv[3]));
  return 0;
}

/* to-and-fro USER DATABASE COUNT: be another user for one lock, and root again, that often. */
int to_and_fro_scene(int argc, char **argv) {
  REQUIRE(argc == 3);
  int fd = opened(argv[1]);
  for (long count = atol(argv[2]); count > 0; count--) {
    REQUIRE(seteuid((uid_t)atol(argv[0])) == 0);
    lock_often(fd, 1);
    REQUIRE(seteuid(0) == 0);
  }
  return 0;
}
