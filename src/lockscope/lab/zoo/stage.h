/* The pipes of a stage, for actors that are written in C: see stage.py. */
#ifndef LOCKSCOPE_ZOO_STAGE_H
#define LOCKSCOPE_ZOO_STAGE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_DEFAULT */
#endif
#include <dlfcn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char stage_failed[256];

/* Wait to be let take a step; without a director, take it at once. */
static void stage_wait(void) {
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
  }
}

/* A step is over: tell what became of it, and wait for the next. */
static void step(void) {
  dprintf(STDOUT_FILENO, "%s\n", stage_failed);
  stage_failed[0] = 0;
  stage_wait();
}

/* Run a statement; what it fails with is what becomes of the step. */
static inline int run(sqlite3 *database, const char *sql) {
  int code = sqlite3_exec(database, sql, NULL, NULL, NULL);
  if (code != SQLITE_OK) snprintf(stage_failed, sizeof stage_failed, "%s", sqlite3_errmsg(database));
  return code;
}

static inline sqlite3 *open_database(const char *path, int timeout_ms) {
  sqlite3 *database = NULL;
  if (sqlite3_open(path, &database) != SQLITE_OK) exit(1);
  if (timeout_ms != 0) sqlite3_busy_timeout(database, timeout_ms);
  return database;
}

/* As stage.py's; for an actor that was brought on with doors. */
static inline void shut_door(const char *call, const char *ending) {
  void (*shut)(const char *, const char *) =
      (void (*)(const char *, const char *))dlsym(RTLD_DEFAULT, "stage_shut_door");
  if (shut != NULL) shut(call, ending);
}

static inline void open_door(void) { shut_door("", ""); }

/* Keep the processor busy with a statement, over and over. */
static inline void work(sqlite3 *database, const char *sql, int milliseconds) {
  struct timespec began, now;
  clock_gettime(CLOCK_MONOTONIC, &began);
  do {
    run(database, sql);
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000 < milliseconds);
}

static inline int is(const char *word, const char *other) { return strcmp(word, other) == 0; }

/* ROLE DATABASE WORD…: `act` plays one role from its first step to its end. */
static void act(const char *role, const char *database, char **words);

int main(int count, char **arguments) {
  if (count < 3) return 2;
  stage_wait();
  act(arguments[1], arguments[2], arguments + 3);
  dprintf(STDOUT_FILENO, "%s\n", stage_failed[0] ? stage_failed : "the end");
  return 0;
}

#endif
