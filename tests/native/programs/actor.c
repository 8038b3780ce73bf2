#include "actor.h"

#include <sys/wait.h>

int lock(int fd, int command, short type, off_t start, off_t length) {
  struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  return fcntl(fd, command, &range);
}

int opened(const char *path) {
  int fd = open(path, O_RDWR | O_CREAT, 0600);
  REQUIRE(fd >= 0);
  return fd;
}

int database(const char *path) {
  int fd = opened(path);
  REQUIRE(lock(fd, F_SETLK, F_RDLCK, SHARED, SHARED_BYTES) == 0);
  REQUIRE(lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0);
  return fd;
}

void await(pid_t child) {
  int status = -1;
  REQUIRE(child > 0);
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static const struct {
  const char *name;
  scene *play;
} scenes[] = {
    {"locks", locks_scene},
    {"whole-file", whole_file_scene},
    {"loop", loop_scene},
    {"threads", threads_scene},
    {"signals", signals_scene},
    {"errno", errno_scene},
    {"sleeps", sleeps_scene},
    {"writes", writes_scene},
    {"reuse", reuse_scene},
    {"closes", closes_scene},
    {"plain", plain_scene},
    {"exit", exit_scene},
    {"limited", limited_scene},
    {"descriptors", descriptors_scene},
    {"fork", fork_scene},
    {"fork-threads", fork_threads_scene},
    {"bare-fork", bare_fork_scene},
    {"vfork", vfork_scene},
    {"exec", exec_scene},
    {"failed-exec", failed_exec_scene},
    {"spawn", spawn_scene},
    {"environment", environment_scene},
    {"handler-fork", handler_fork_scene},
    {"many", many_scene},
    {"fork-loop", fork_loop_scene},
    {"met-late", met_late_scene},
    {"fork-turning", fork_turning_scene},
    {"become", become_scene},
    {"to-and-fro", to_and_fro_scene},
};

int main(int argc, char **argv) {
  for (size_t i = 0; argc > 1 && i < sizeof scenes / sizeof scenes[0]; i++) {
    if (strcmp(argv[1], scenes[i].name) == 0) return scenes[i].play(argc - 2, argv + 2);
  }
  fprintf(stderr, "usage: actor SCENE [ARGUMENT...]\n");
  return 2;
}
