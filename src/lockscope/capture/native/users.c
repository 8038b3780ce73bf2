/* Programs that begin as root and go on as somebody else, or behind another root. The somebody is let into the trace's
 * folder, which is its owner's alone. Where that cannot be, and behind another root, they cannot reach it any more:
 * room is mapped before, and what comes after it is counted as lost. */
#include "real.h"

#include "lifetime.h"

#include <errno.h>

/* (uid_t)-1 leaves the id as it is: setresuid(2). */
static void leave_for(uid_t wanted) {
  if (wanted == (uid_t)-1 || !ls_active() || wanted == geteuid()) return;
  int before = errno;
  ls_segment_provide();
  if (wanted != 0) ls_trace_share(wanted);
  errno = before;
}

LS_EXPORT int setuid(uid_t user) {
  leave_for(user);
  return ls_real.setuid(user);
}

LS_EXPORT int seteuid(uid_t user) {
  leave_for(user);
  return ls_real.seteuid(user);
}

LS_EXPORT int setreuid(uid_t real, uid_t effective) {
  leave_for(effective);
  return ls_real.setreuid(real, effective);
}

LS_EXPORT int setresuid(uid_t real, uid_t effective, uid_t saved) {
  leave_for(effective);
  return ls_real.setresuid(real, effective, saved);
}

LS_EXPORT int chroot(const char *path) {
  int before = errno;
  if (ls_active()) ls_segment_provide();
  errno = before;
  return ls_real.chroot(path);
}
