/* SPDX-License-Identifier: MIT */
/*
 * Numbers for descriptors of the shim's own, out of the program's way: high,
 * but not so high that the kernel's table grows for them, which makes fork
 * slow, and below FD_SETSIZE: select(getdtablesize(), ...) of old programs
 * looks as far as that table goes, whatever room their sets have.
 */
#ifndef TLSSHIM_HIGHFD_H
#define TLSSHIM_HIGHFD_H

#include <stdbool.h>
#include <sys/resource.h>

/* The lowest such number under the limit of the moment (RLIMIT_NOFILE). */
int highfd_lowest(void);

/* Is it a number that the program may come to need: one that is not out of its
 * way, or in the upper half of what its limit leaves above? */
bool highfd_is_dear(int fd);

/* Moves fd there and sets close-on-exec.  Returns the new number, and fd is
 * closed; or fd as it was where there is no room above. */
int highfd_move(int fd);
/* The same of a file of our own, by the kernel's own calls (kernel.h). */
int highfd_move_file(int fd);

/*
 * The program's soft limit, raised to the hard one for a moment, so that a
 * descriptor of the shim's own takes none of the program's numbers.  Call with
 * the engine locked (engine_lock.h): the limit is the process's, and what
 * fork() copies and getrlimit() tells is what the program set.
 */
struct highfd_limit {
	rlim_t soft;
	bool raised;
};
struct highfd_limit highfd_raise(void);
void highfd_restore(const struct highfd_limit *limit);

/* Moves fd above the program's limit while that is raised.  Returns the new
 * number, and fd is closed; or fd where there is no room above. */
int highfd_beyond(int fd, const struct highfd_limit *limit);

/* Could a file be opened?  fd is any open number. */
bool highfd_is_one_free(int fd);

#endif
