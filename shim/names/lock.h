/* SPDX-License-Identifier: MIT */
/*
 * The one lock of what this process remembers of names; for names*.c.  It is
 * held for microseconds, with signals blocked, so that it may be taken in
 * signal handlers as well.
 */
#ifndef TLSSHIM_NAMES_LOCK_H
#define TLSSHIM_NAMES_LOCK_H

#include <signal.h>
#include <stdbool.h>

/* False: it cannot be had, for its holder does not exist in this process.
 * *before is for names_unlock(). */
bool names_lock(sigset_t *before);
void names_unlock(const sigset_t *before);

/* In the child of a fork: the lock is free.  True: a thread that is not here
 * held it. */
bool names_lock_reset(void);

#endif
