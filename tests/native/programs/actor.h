/* actor SCENE [ARGUMENT...]: one scene for each thing that the recorder must survive. A scene prints what it did, so
 * that a run with the recorder can be compared with a run without it, and returns the exit status. */
#ifndef ACTOR_H
#define ACTOR_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* SQLite's bytes, from os.h and os_unix.c. */
enum {
  PENDING = 0x40000000,
  RESERVED = 0x40000001,
  SHARED = 0x40000002,
  SHARED_BYTES = 510,
  WAL_WRITE = 120,
  DMS = 128
};

#define REQUIRE(condition)                                                                                             \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno));                             \
      exit(99);                                                                                                        \
    }                                                                                                                  \
  } while (0)

/* fcntl with a lock; the result. */
int lock(int fd, int command, short type, off_t start, off_t length);

/* A fresh or existing file, open for reading and writing. */
int opened(const char *path);

/* A database: SHARED taken and given back once, so that the recorder knows it. */
int database(const char *path);

/* Wait for a child and require that it returned 0. */
void await(pid_t child);

typedef int scene(int argc, char **argv);
scene locks_scene, whole_file_scene, loop_scene, threads_scene, signals_scene, errno_scene, sleeps_scene;
scene writes_scene, reuse_scene, closes_scene, plain_scene, exit_scene, limited_scene, descriptors_scene;
scene fork_scene, fork_threads_scene, bare_fork_scene, vfork_scene, exec_scene, failed_exec_scene, spawn_scene;
scene environment_scene, handler_fork_scene, many_scene, fork_loop_scene, met_late_scene, fork_turning_scene;
scene become_scene, to_and_fro_scene;

#endif
