/* SPDX-License-Identifier: MIT */
/*
 * No signal handler of the program runs in this thread meanwhile: one that
 * forks would wait for a lock that its own thread holds.
 */
#ifndef TLSSHIM_QUIET_H
#define TLSSHIM_QUIET_H

#include "base/faults.h"

/* Faults are not held back. */
static inline void quiet_begin(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	for (unsigned i = 0; i < N_FAULTS; i++)
		sigdelset(&all, faults[i]);
	pthread_sigmask(SIG_BLOCK, &all, before);
}

static inline void quiet_end(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

#endif
