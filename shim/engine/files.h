/* SPDX-License-Identifier: MIT */
/*
 * Files of the settings: read whole, and looked at again to see whether they
 * changed.  Knows no format.
 */
#ifndef TLSSHIM_ENGINE_FILES_H
#define TLSSHIM_ENGINE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#define FILES_NOT_REGULAR (-1)
#define FILES_TOO_BIG (-2)
#define FILES_EMPTY (-4)

/*
 * The whole file; the caller frees *buf with arena_free() when the result is
 * 0.  Else an errno value or one of the codes above.  Follows symbolic links;
 * never waits for a FIFO or a device.
 */
int files_read(const char *path, char **buf, size_t *len);

/* The same, with its bytes wiped: for secrets. */
void files_free_secret(char *buf, size_t len);

/* What a result of files_read() means, in words. */
const char *files_error_text(int result);

/* Files and directories, and what they were like when they were noted.  All
 * zero is an empty list. */
struct files {
	struct files_entry *entries;
	unsigned n, size;
};

/* To be called before the file is read, so that no change is missed.  NULL is
 * passed over; without memory the file is not watched. */
void files_note(struct files *f, const char *path);

/* The same where there is such a file, and only once; false: there is none. */
bool files_note_found(struct files *f, const char *path);

/* Is any of them another file, or was it written to? */
bool files_changed(const struct files *f);

void files_clear(struct files *f);

/* May all users of the system read it? */
bool files_is_public(const char *path);

#endif
