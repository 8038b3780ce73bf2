/* Scenes of children: fork in every form, exec in every form, spawn. */
#include "actor.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

/* fork DATABASE: parent and child lock the same descriptor. Prints the child's pid. */
int fork_scene(int argc, char **argv) {
  REQUIRE(argc == 1);
  int fd = database(argv[0]);
  pid_t child = fork();
  if (child == 0) {
    REQUIRE(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1) == 0);
    exit(0);
  }
  await(child);
  REQUIRE(lock(fd, F_SETLK, F_WRLCK, PENDING, 1) == 0);
  printf("%d\n", (int)child);
  return 0;
}

static void *fork_often(void *path) {
  for (int i = 0; i < 10; i++) {
    pid_t child = fork();
    if (child == 0) {
      int fd = opened(path);
      _exit(lock(fd, F_SETLK, F_RDLCK, SHARED, SHARED_BYTES));
    }
    await(child);
    printf("%d %d\n", (int)gettid(), (int)child);
  }
  return NULL;
}

static void *lock_often(void *path) {
  int fd = opened(path);
  for (int i = 0; i < 20000; i++) {
    REQUIRE(lock(fd, F_SETLK, F_RDLCK, SHARED, SHARED_BYTES) == 0 && lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0);
  }
  return NULL;
}

/* fork-threads DATABASE: lock it; then four threads fork while two lock. Prints "thread child" for each fork. */
int fork_threads_scene(int argc, char **argv) {
  REQUIRE(argc == 1);
  enum { FORKING = 4, ALL = 6 };
  pthread_t threads[ALL];
  database(argv[0]);
  for (int i = 0; i < ALL; i++) {
    REQUIRE(pthread_create(&threads[i], NULL, i < FORKING ? fork_often : lock_often, argv[0]) == 0);
  }
  for (int i = 0; i < ALL; i++) REQUIRE(pthread_join(threads[i], NULL) == 0);
  return 0;
}

/* bare-fork DATABASE: by the system call, and by the C library's fork without handlers. Prints the pids. */
int bare_fork_scene(int argc, char **argv) {
  REQUIRE(argc == 1);
  int fd = database(argv[0]);
  pid_t bare = (pid_t)syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L);
  if (bare == 0) {
    REQUIRE(write(fd, "x", 1) == 1);
    REQUIRE(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1) == 0);
    _exit(0);
  }
  await(bare);
  pid_t quick = _Fork();
  if (quick == 0) _exit(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1));
  await(quick);
  REQUIRE(lock(fd, F_SETLK, F_WRLCK, PENDING, 1) == 0);
  printf("%d %d\n", (int)bare, (int)quick);
  return 0;
}

/* fork-loop DATABASE COUNT: each child forks the next, as daemons do. */
int fork_loop_scene(int argc, char **argv) {
  REQUIRE(argc == 2);
  for (int depth = atoi(argv[1]); depth > 0; depth--) {
    int fd = database(argv[0]);
    REQUIRE(close(fd) == 0);
    pid_t child = fork();
    if (child != 0) {
      await(child);
      _exit(0);
    }
  }
  return 0;
}

/* vfork DATABASE PROGRAM [ARGUMENT...]: the child closes and replaces the parent's numbers in its own table, and then
 * runs the program, which may be absent. */
int vfork_scene(int argc, char **argv) {
  REQUIRE(argc >= 2);
  int fd = database(argv[0]), spare = opened("/dev/null");
  pid_t child = vfork();
  if (child == 0) {
    dup2(spare, fd);
    close(fd);
    close_range(3, ~0U, 0);
    execve(argv[1], argv + 1, environ);
    _exit(0);
  }
  await(child);
  REQUIRE(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1) == 0);
  return 0;
}

/* exec WAY PROGRAM SCENE DATABASE: lock the database and replace this program in one of the nine ways, with a fresh
 * environment where it takes one. */
int exec_scene(int argc, char **argv) {
  REQUIRE(argc == 4);
  const char *way = argv[0], *path = argv[1];
  char *arguments[] = {"actor", argv[2], argv[3], NULL}, *fresh[] = {"FRESH=1", NULL};
  database(argv[3]);
  if (strcmp(way, "execl") == 0) execl(path, "actor", argv[2], argv[3], NULL);
  if (strcmp(way, "execlp") == 0) execlp(path, "actor", argv[2], argv[3], NULL);
  if (strcmp(way, "execle") == 0) execle(path, "actor", argv[2], argv[3], NULL, fresh);
  if (strcmp(way, "execve") == 0) execve(path, arguments, fresh);
  if (strcmp(way, "execvpe") == 0) execvpe(path, arguments, fresh);
  if (strcmp(way, "fexecve") == 0) fexecve(open(path, O_RDONLY | O_CLOEXEC), arguments, fresh);
  if (strcmp(way, "execveat") == 0) execveat(AT_FDCWD, path, arguments, fresh, 0);
  clearenv();
  if (strcmp(way, "execv") == 0) execv(path, arguments);
  if (strcmp(way, "execvp") == 0) execvp(path, arguments);
  return 98;
}

/* failed-exec DATABASE: an exec that fails, and life goes on. */
int failed_exec_scene(int argc, char **argv) {
  REQUIRE(argc == 1);
  int fd = database(argv[0]);
  REQUIRE(execl("/nonexistent/program", "program", NULL) == -1 && errno == ENOENT);
  REQUIRE(lock(fd, F_SETLK, F_WRLCK, RESERVED, 1) == 0);
  return 0;
}

/* spawn PROGRAM SCENE DATABASE: lock the database and start the program with a fresh environment, in both ways. Prints
 * the children's pids. */
int spawn_scene(int argc, char **argv) {
  REQUIRE(argc == 3);
  char *arguments[] = {"actor", argv[1], argv[2], NULL}, *fresh[] = {"FRESH=1", NULL};
  database(argv[2]);
  pid_t first = 0, second = 0;
  REQUIRE(posix_spawn(&first, argv[0], NULL, NULL, arguments, fresh) == 0);
  await(first);
  REQUIRE(posix_spawnp(&second, argv[0], NULL, NULL, arguments, fresh) == 0);
  await(second);
  REQUIRE(posix_spawn(NULL, "/nonexistent/program", NULL, NULL, arguments, fresh) == ENOENT);
  fprintf(stderr, "%d %d\n", (int)first, (int)second);
  return 0;
}

/* environment DATABASE: lock the database and print the environment. */
int environment_scene(int argc, char **argv) {
  REQUIRE(argc == 1);
  database(argv[0]);
  for (char **variable = environ; *variable != NULL; variable++) puts(*variable);
  return 0;
}
