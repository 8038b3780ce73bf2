/* What every part of the native recorder may ask of it: is it on, what time is it, keep this.
 *
 * All of it is safe in any thread, in a signal handler and before main(); none of it allocates from the heap or changes
 * errno, and where something cannot be kept the segment's header counts it as lost and the program goes on. */
#ifndef LOCKSCOPE_RECORDER_H
#define LOCKSCOPE_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

/* Whether this process is traced: false in a program that is not, and in a child that was forked behind the C library's
 * back until its first lock call. Its segment is begun with the first text or record. */
bool ls_active(void);

/* CLOCK_MONOTONIC, ns, read through the vDSO: no system call. */
uint64_t ls_now(void);

/* Append one text to the segment's text file and return its offset; 0 where it could not be kept. Costs an open, a
 * pwrite and a close: ask for a text once and keep the number, for as long as `ls_generation` stays the same. */
uint32_t ls_text(const char *bytes, size_t n);

/* Store one record. `thread` and `sequence` are filled in, and `context` where the kind has no use of its own for it.
 */
void ls_record(const struct lockscope_record *record);

/* Recursion guard of this thread, for code that calls into the program's world and may meet itself again there. False
 * where this thread is already inside; then `ls_leave` must not be called. */
bool ls_enter(void);
void ls_leave(void);

/* Number of the statement that this thread is running, given by a CONTEXT record; 0 none. */
extern __thread uint32_t ls_context;

/* Grows in each forked child, which has a segment of its own: numbers and texts of an older generation are void. */
extern unsigned ls_generation;

/* LOCKSCOPE_LITERALS=1: SQL is to be kept with its literals. */
bool ls_keep_literals(void);

/* Have a sentence stand in the trace as a note, if this process ever begins a segment; of several, the last. */
void ls_note_later(const char *sentence);

/* The hook into a Python program, in pydriver.c. Weak, so that the library links without it. */
__attribute__((weak)) void ls_python_attach(void);

/* The line of Python that this thread is running, "path:line" without a NUL, also where it does not have the
 * interpreter's lock; its length, 0 where there is none. Weak likewise. */
__attribute__((weak)) size_t ls_python_line(char *into, size_t room);

#endif
