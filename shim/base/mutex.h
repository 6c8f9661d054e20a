/* SPDX-License-Identifier: MIT */
/*
 * A lock that knows its owner: a signal handler whose own thread holds it is
 * told so instead of waiting for ever.  What PTHREAD_MUTEX_ERRORCHECK does, at
 * a fifth of the instructions, for every call on a connection takes some.  The
 * pthread mutexes that are left are in the engine, where no handler runs
 * (engine_lock.h).
 *
 * Memory of zeros is one that nobody holds; it needs no end.
 */
#ifndef TLSSHIM_MUTEX_H
#define TLSSHIM_MUTEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/x86_64/futex.h"
#include "base/x86_64/thread.h"

struct mutex {
	_Atomic(uintptr_t) owner; /* mutex_self() of the thread; 0: nobody */
	atomic_uint sleepers;
};

/* The thread's pointer, odd: no half of it can be taken for nobody. */
static inline uintptr_t mutex_self(void)
{
	return (uintptr_t)thread_pointer() | 1;
}

/*
 * The kernel compares half of the owner: enough, since a change that it does
 * not see is to another owner, who finds the sleeper counted.
 */
__attribute__((cold, noinline, unused)) static void mutex_wait(
	struct mutex *m, uintptr_t self)
{
	uintptr_t owner = 0;

	atomic_fetch_add(&m->sleepers, 1);
	while (!atomic_compare_exchange_strong(&m->owner, &owner, self)) {
		futex_wait(&m->owner, (uint32_t)owner);
		owner = 0;
	}
	atomic_fetch_sub(&m->sleepers, 1);
}

/* false: this very thread holds it. */
static inline bool mutex_lock(struct mutex *m)
{
	uintptr_t self = mutex_self(), owner = 0;

	if (atomic_compare_exchange_strong(&m->owner, &owner, self))
		return true;
	if (owner == self)
		return false;
	mutex_wait(m, self);
	return true;
}

/* By this very thread? */
static inline bool mutex_is_mine(const struct mutex *m)
{
	return atomic_load(&m->owner) == mutex_self();
}

static inline void mutex_unlock(struct mutex *m)
{
	atomic_store(&m->owner, 0);
	if (__builtin_expect(atomic_load(&m->sleepers) != 0, 0))
		futex_wake(&m->owner);
}

#endif
