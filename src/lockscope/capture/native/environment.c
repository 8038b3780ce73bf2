/* The environment of a program that the traced one starts: the child is traced too, also with a fresh environment. */
#include "real.h"

#include "environment.h"
#include "recorder.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define TRACE "LOCKSCOPE_TRACE="
#define LITERALS "LOCKSCOPE_LITERALS="
#define PRELOAD "LD_PRELOAD="

/* Beyond this many variables the child goes untraced: the copy would not fit a small stack. */
enum { MOST = 8192 };

static char trace[sizeof TRACE + PATH_MAX]; /* "LOCKSCOPE_TRACE=..." */
static char library[PATH_MAX];              /* as LD_PRELOAD named it; empty where we were not preloaded */
static bool literals;

bool ls_keep_literals(void) { return literals; }

static bool starts_with(const char *string, const char *head) { return strncmp(string, head, strlen(head)) == 0; }

/* Whether a list as in LD_PRELOAD, separated by colons or spaces (ld.so(8)), has an entry. */
static bool lists(const char *list, const char *entry) {
  size_t n = strlen(entry);
  for (const char *at = list; *at != '\0';) {
    size_t length = strcspn(at, ": ");
    if (length == n && memcmp(at, entry, n) == 0) return true;
    at += length;
    at += strspn(at, ": ");
  }
  return false;
}

static void find_library(void) {
  Dl_info self;
  const char *preload = secure_getenv("LD_PRELOAD");
  if (preload == NULL || dladdr(&literals, &self) == 0 || self.dli_fname == NULL) return;
  size_t n = strlen(self.dli_fname);
  if (n < sizeof library && lists(preload, self.dli_fname)) memcpy(library, self.dli_fname, n + 1);
}

const char *ls_environment_read(void) {
  const char *folder = secure_getenv("LOCKSCOPE_TRACE");
  if (folder == NULL || folder[0] != '/' || strlen(folder) >= PATH_MAX - 64) return NULL;
  memcpy(trace, TRACE, sizeof TRACE);
  memcpy(trace + sizeof TRACE - 1, folder, strlen(folder) + 1);
  const char *wish = secure_getenv("LOCKSCOPE_LITERALS");
  literals = wish != NULL && strcmp(wish, "1") == 0;
  find_library();
  return trace + sizeof TRACE - 1;
}

static const char *find(char *const *environment, const char *head) {
  for (; *environment != NULL; environment++) {
    if (starts_with(*environment, head)) return *environment;
  }
  return NULL;
}

static bool is_complete(char *const *environment) {
  const char *preload = find(environment, PRELOAD);
  bool loaded = library[0] == '\0' || (preload != NULL && lists(preload + sizeof PRELOAD - 1, library));
  return loaded && find(environment, TRACE) != NULL;
}

static char *const nothing[] = {NULL}; /* Linux takes a NULL environment for an empty one: execve(2) */

size_t ls_environment_room(char *const *environment) {
  if (trace[0] == '\0') return 0;
  if (environment == NULL) environment = nothing;
  if (is_complete(environment)) return 0;
  size_t n = 0;
  while (environment[n] != NULL) n++;
  if (n > MOST) return 0;
  const char *preload = find(environment, PRELOAD);
  size_t text = sizeof PRELOAD + strlen(library) + 1 + (preload == NULL ? 0 : strlen(preload));
  return (n + 4) * sizeof(char *) + text;
}

/* "LD_PRELOAD=ours:theirs" into `at`. */
static void write_preload(char *at, const char *theirs) {
  at = stpcpy(stpcpy(at, PRELOAD), library);
  if (theirs != NULL && theirs[sizeof PRELOAD - 1] != '\0') {
    *at++ = ':';
    strcpy(at, theirs + sizeof PRELOAD - 1);
  }
}

char *const *ls_environment_fill(char *const *environment, void *room) {
  static char literals_on[] = LITERALS "1";
  if (environment == NULL) environment = nothing;
  const char *preload = find(environment, PRELOAD);
  bool add_preload = library[0] != '\0' && (preload == NULL || !lists(preload + sizeof PRELOAD - 1, library));
  size_t n = 0, kept = 0;
  char **copy = room;
  while (environment[n] != NULL) n++;
  if (add_preload) {
    copy[kept] = (char *)(copy + n + 4);
    write_preload(copy[kept++], preload);
  }
  /* A child that was given another trace's folder on purpose belongs to that one. */
  if (find(environment, TRACE) == NULL) {
    copy[kept++] = trace;
    if (literals && find(environment, LITERALS) == NULL) copy[kept++] = literals_on;
  }
  for (size_t i = 0; i < n; i++) {
    if (!add_preload || !starts_with(environment[i], PRELOAD)) copy[kept++] = environment[i];
  }
  copy[kept] = NULL;
  return copy;
}
