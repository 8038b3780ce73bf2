/* Leave to add to the trace for a user that this program is about to become.
 *
 * The trace's folder is its owner's alone. Without this a service that begins as root and goes on as somebody else
 * could keep nothing beyond what was mapped before, and what it forks or executes then could keep nothing at all. The
 * user gets leave to create files in the folder and to come by, not to list or read it; the sticky bit keeps it from
 * taking others' files away. Where the file system knows no access control lists (acl(5)), or a folder above is closed
 * to the user, this changes nothing. */
#include "real.h"

#include "sharing.h"

#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* posix_acl_xattr_header and posix_acl_xattr_entry, linux/posix_acl_xattr.h: the latter stand in the order of their
 * tags and, for users, of their ids. */
#define ACL "system.posix_acl_access"
#define ACL_VERSION 2
enum { OWNER = 0x01, USER = 0x02, GROUP = 0x04, NAMED_GROUP = 0x08, MASK = 0x10, OTHER = 0x20 };
enum { MOST_ENTRIES = 64 };

struct entry {
  uint16_t tag, leave;
  uint32_t id;
};

struct list {
  uint32_t version;
  struct entry entries[MOST_ENTRIES];
};

/* How many entries; 0 where there is no list or it cannot be read. */
static size_t read_list(const char *path, struct list *list) {
  ssize_t n = getxattr(path, ACL, list, sizeof *list);
  if (n < (ssize_t)sizeof list->version || list->version != ACL_VERSION) return 0;
  return ((size_t)n - sizeof list->version) / sizeof list->entries[0];
}

static size_t list_of_mode(mode_t mode, struct list *list) {
  list->version = ACL_VERSION;
  list->entries[0] = (struct entry){OWNER, mode >> 6 & 7, UINT32_MAX};
  list->entries[1] = (struct entry){GROUP, mode >> 3 & 7, UINT32_MAX};
  list->entries[2] = (struct entry){OTHER, mode & 7, UINT32_MAX};
  return 3;
}

/* The place of an entry, or where it would stand. */
static size_t find(const struct list *list, size_t n, uint16_t tag, uint32_t id) {
  size_t at = 0;
  while (at < n && (list->entries[at].tag < tag || (list->entries[at].tag == tag && list->entries[at].id < id))) at++;
  return at;
}

static size_t add(struct list *list, size_t n, uint16_t tag, uint32_t id, uint16_t leave) {
  size_t at = find(list, n, tag, id);
  if (at < n && list->entries[at].tag == tag && list->entries[at].id == id) {
    list->entries[at].leave |= leave;
    return n;
  }
  if (n == MOST_ENTRIES) return n;
  memmove(&list->entries[at + 1], &list->entries[at], (n - at) * sizeof list->entries[0]);
  list->entries[at] = (struct entry){tag, leave, id};
  return n + 1;
}

static void give(const char *path, uid_t user, uint16_t leave) {
  struct list list;
  struct stat status;
  if (lstat(path, &status) != 0 || (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))) return;
  size_t n = read_list(path, &list);
  /* The owner's group has no leave of its own: the mask, which shows as the group's bits, would be taken for it. */
  if (n == 0) n = list_of_mode(status.st_mode & 0707, &list);
  n = add(&list, n, USER, user, leave);
  n = add(&list, n, MASK, UINT32_MAX, leave);
  (void)setxattr(path, ACL, &list, sizeof list.version + n * sizeof list.entries[0], 0);
}

void ls_share_folder(const char *folder, uid_t user) {
  struct stat status;
  if (lstat(folder, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid()) return;
  if ((status.st_mode & S_ISVTX) == 0 && chmod(folder, (status.st_mode & 0777) | S_ISVTX) != 0) return;
  give(folder, user, 3);
}

void ls_share_file(const char *file, uid_t user) { give(file, user, 6); }
