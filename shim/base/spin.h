/* SPDX-License-Identifier: MIT */
/*
 * A lock for a few loads and stores.  Whoever finds it taken lets others run.
 * Its owner is not known: in a copy of the process it is cleared.
 */
#ifndef TLSSHIM_SPIN_H
#define TLSSHIM_SPIN_H

#include <sched.h>
#include <stdatomic.h>

static inline void spin_lock(atomic_flag *busy)
{
	while (atomic_flag_test_and_set(busy))
		sched_yield();
}

static inline void spin_unlock(atomic_flag *busy)
{
	atomic_flag_clear(busy);
}

#endif
