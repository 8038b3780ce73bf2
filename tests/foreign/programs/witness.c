/* Tells all that a program can see of where it was put: one "name value" a line. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void tell_descriptors(void) {
  DIR *folder = opendir("/proc/self/fd");
  for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
    char target[PATH_MAX];
    int fd = atoi(entry->d_name);
    if (entry->d_name[0] == '.' || fd == dirfd(folder)) continue;
    ssize_t n = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
    target[n < 0 ? 0 : n] = '\0';
    printf("fd%d %s flags %o %d tty %d\n", fd, target, fcntl(fd, F_GETFL), fcntl(fd, F_GETFD), isatty(fd));
  }
  closedir(folder);
}

static void tell_signals(void) {
  sigset_t blocked;
  sigprocmask(SIG_BLOCK, NULL, &blocked);
  for (int number = 1; number < NSIG; number++) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0) continue;
    const char *does = action.sa_handler == SIG_DFL ? "default" : action.sa_handler == SIG_IGN ? "ignored" : "handled";
    printf("signal%d %s%s\n", number, does, sigismember(&blocked, number) == 1 ? " blocked" : "");
  }
}

static void tell_limits(void) {
  for (int which = 0; which < (int)RLIM_NLIMITS; which++) {
    struct rlimit limit;
    if (getrlimit(which, &limit) != 0) continue;
    printf("limit%d %llu %llu\n", which, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
  }
}

static void tell_relations(void) {
  pid_t pid = getpid(), parent = getppid();
  printf("leads group %d, session %d\n", getpgrp() == pid, getsid(0) == pid);
  printf("parent's group %d, session %d\n", getpgrp() == getpgid(parent), getsid(0) == getsid(parent));
  printf("foreground %d\n", tcgetpgrp(0) == getpgrp());
}

int main(int argc, char **argv) {
  char folder[PATH_MAX];
  mode_t mask = umask(0);
  umask(mask);
  for (int i = 0; i < argc; i++) printf("argument%d %s\n", i, argv[i]);
  for (char **variable = environ; *variable != NULL; variable++) printf("environment %s\n", *variable);
  printf("umask %o\nfolder %s\n", mask, getcwd(folder, sizeof folder));
  printf("nice %d\nscheduler %d\n", getpriority(PRIO_PROCESS, 0), sched_getscheduler(0));
  printf("dumpable %d\nno new privileges %d\n", prctl(PR_GET_DUMPABLE), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  printf("dies with its parent: ");
  int death = -1;
  prctl(PR_GET_PDEATHSIG, &death);
  printf("%d\nslack %d\n", death, prctl(PR_GET_TIMERSLACK));
  tell_descriptors();
  tell_signals();
  tell_limits();
  tell_relations();
  return 0;
}
