/* Files of the trace: opened, grown, written and closed again at once.
 *
 * No descriptor stays open in between. Programs close descriptors that they do not know, and the next file that the
 * program opens under the same number would be overwritten by us. */
#ifndef LOCKSCOPE_STORAGE_H
#define LOCKSCOPE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A new file, readable by its owner only; false where it cannot be made or exists. */
bool ls_storage_create(const char *path);
void ls_storage_remove(const char *path);

/* Map [offset, offset + length) of the file, with its space reserved on disk; NULL where that cannot be had. */
void *ls_storage_map(const char *path, off_t offset, size_t length);
/* The same for a part whose space is reserved already: what it holds stays. */
void *ls_storage_map_again(const char *path, off_t offset, size_t length);
void ls_storage_unmap(void *mapped, off_t offset, size_t length);

/* Write all of it; false where that cannot be done. */
bool ls_storage_write(const char *path, const char *bytes, size_t n, off_t offset);

#endif
