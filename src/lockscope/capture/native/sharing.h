/* Leave to add to the trace for a user that this program is about to become. */
#ifndef LOCKSCOPE_SHARING_H
#define LOCKSCOPE_SHARING_H

#include <sys/types.h>

/* Let the user create files in the folder, and nothing else. Changes errno. */
void ls_share_folder(const char *folder, uid_t user);

/* Let the user read and write a file. Changes errno. */
void ls_share_file(const char *file, uid_t user);

#endif
