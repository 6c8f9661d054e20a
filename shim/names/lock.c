/* SPDX-License-Identifier: MIT */
/*
 * A spin lock of this process.  Knows signals and time; what it guards, its
 * callers know.
 */
#include "names/lock.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#define TRIES 2000

static _Atomic bool locked;

/*
 * Signals are blocked while the lock is held, so that no handler waits for
 * the thread it runs in.  That leaves waits of microseconds, or as long as
 * the scheduler lets the holder wait, unless we are a child whose parent's
 * other thread held the lock when a fork that no hook saw copied it: hence
 * the bound, of about a second.
 */
bool names_lock(sigset_t *before)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, before);
	for (int i = 0; i < TRIES; i++) {
		if (!atomic_exchange(&locked, true))
			return true;
		if (i < TRIES / 2)
			sched_yield();
		else
			nanosleep(&moment, NULL);
	}
	pthread_sigmask(SIG_SETMASK, before, NULL);
	return false;
}

void names_unlock(const sigset_t *before)
{
	atomic_store(&locked, false);
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

bool names_lock_reset(void)
{
	return atomic_exchange(&locked, false);
}
