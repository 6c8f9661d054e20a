/* SPDX-License-Identifier: MIT */
/*
 * Programs that are about to be executed and that this library will not be
 * in: because of what they are (program.h), or because of the environment that
 * they are given (childenv.h).  A line in the log says so, or they are refused
 * (TLSSHIM_UNREACHED).
 */
#ifndef TLSSHIM_UNREACHED_H
#define TLSSHIM_UNREACHED_H

#include <stdbool.h>
#include "config/childenv.h"

/* What execve(2) and its kin are given. */
struct executed {
	int dir;	  /* what path is relative to, or the file (fexecve) */
	const char *path; /* NULL: dir is the file */
	int flags;	  /* execveat(2)'s */
	/* Of this process: PATH is looked up in it as execvp(3) does; NULL:
	 * path is one. */
	char *const *search_in;
};

enum unreached_give {
	UNREACHED_REFUSE, /* the call fails with EACCES */
	UNREACHED_LEAVE,  /* the environment is to be left as it is */
	UNREACHED_GIVE,	  /* childenv_make() is to be done */
};

/*
 * To be asked before a program is executed with envp, where settings are
 * active.  Writes the line.  At most a dozen system calls, and 5 KB of stack;
 * async-signal-safe; leaves errno as found.
 */
enum unreached_give unreached_ask(
	const struct executed *executed, char *const envp[]);

/* The kernel has said E2BIG to what childenv_make() made: the program is to be
 * executed without, or not at all (false). */
bool unreached_too_long(const struct executed *executed);

/* Before a copy of the process is made: what it takes is bound once, and not by
 * each child again. */
void unreached_prepare(void);

#endif
