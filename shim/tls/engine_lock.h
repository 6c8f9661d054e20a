/* SPDX-License-Identifier: MIT */
/*
 * The lock of the engine: held by whoever is in it without a connection's lock,
 * and while the process is copied, by fork() or for a relay.
 */
#ifndef TLSSHIM_ENGINE_LOCK_H
#define TLSSHIM_ENGINE_LOCK_H

#include <signal.h>

/* What a thread was before it took the lock. */
struct engine_passage {
	int cancel_state;
	sigset_t signals;
};

/* In between the thread cannot be cancelled, and no handler of the program
 * runs in it that may fork.  May block, for another thread is in. */
struct engine_passage engine_enter(void);
void engine_leave(const struct engine_passage *passage);

/* The lock alone: for whoever copies the process, with signals held off. */
void engine_lock(void);
void engine_unlock(void);

/* In a copy of the process: nobody is in. */
void engine_lock_reset(void);

#endif
