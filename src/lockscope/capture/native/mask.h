/* SQL and error messages as a trace may keep them: without the values that the program's users typed. */
#ifndef LOCKSCOPE_MASK_H
#define LOCKSCOPE_MASK_H

#include <stddef.h>

/* The longest text that is kept of one statement or message, in bytes. */
#define LS_MASK_ROOM 4096

/* Write `sql` with its literals replaced by `?` to `out`, never more than `room` bytes, and return how many.
 *
 * Strings, numbers and blobs become `?`. So does what stands in double quotes unless it looks like an ASCII
 * identifier, because SQLite reads "an unknown name" as a string (sqlite.org/quirks.html, section 8).
 * Identifiers, [names], `names`, NULL, TRUE, FALSE and bind parameters stay. Comments go. White space becomes
 * one space and a comma is followed by one. Four or more literals in a row are `?, ?, ?, ...`, and rows that
 * read alike are `(?, ?), ...`, so that a list of another length is not another statement. A trailing
 * semicolon goes. A literal or name without its end hides all that follows. What does not fit ends in `...`.
 * The result is not terminated by a NUL. */
size_t ls_mask_sql(const char *sql, size_t n, char *out, size_t room);

/* The same white space and the same limit, with every literal as it was written; comments go here too. */
size_t ls_fold_sql(const char *sql, size_t n, char *out, size_t room);

/* Write an error's message with what may be a value replaced by `?`: quoted parts that are no identifiers,
 * numbers, and all that follows an opening known to be followed by the program's own words. A message of
 * RAISE() in a trigger (extended result code 1811) is the program's own as a whole and is not repeated. */
size_t ls_mask_message(const char *message, size_t n, unsigned code, char *out, size_t room);

#endif
