/* Programs that begin as root and go on as somebody else, or behind another root: from then on they cannot reach the
 * trace's folder, which is its owner's alone. Room is mapped before, and what comes after it is counted as lost. */
#include "real.h"

#include "segment.h"

#include <errno.h>

static void provide(bool leaving) {
  if (!leaving || !ls_active()) return;
  int before = errno;
  ls_segment_provide();
  errno = before;
}

/* (uid_t)-1 leaves the id as it is: setresuid(2). */
static bool leaves(uid_t wanted) { return wanted != (uid_t)-1 && ls_active() && wanted != geteuid(); }

LS_EXPORT int setuid(uid_t user) {
  provide(leaves(user));
  return ls_real.setuid(user);
}

LS_EXPORT int seteuid(uid_t user) {
  provide(leaves(user));
  return ls_real.seteuid(user);
}

LS_EXPORT int setreuid(uid_t real, uid_t effective) {
  provide(leaves(effective));
  return ls_real.setreuid(real, effective);
}

LS_EXPORT int setresuid(uid_t real, uid_t effective, uid_t saved) {
  provide(leaves(effective));
  return ls_real.setresuid(real, effective, saved);
}

LS_EXPORT int chroot(const char *path) {
  provide(true);
  return ls_real.chroot(path);
}
