/* SPDX-License-Identifier: MIT */
/*
 * No signal handler of the program runs in this thread meanwhile: one that
 * forks would wait for a lock that its own thread holds.
 */
#ifndef TLSSHIM_QUIET_H
#define TLSSHIM_QUIET_H

#include <signal.h>

/* Faults are not held back: they would kill, whatever the handler. */
static inline void quiet_begin(sigset_t *before)
{
	static const int faults[] = {
		SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
	sigset_t all;

	sigfillset(&all);
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&all, faults[i]);
	pthread_sigmask(SIG_BLOCK, &all, before);
}

static inline void quiet_end(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

#endif
