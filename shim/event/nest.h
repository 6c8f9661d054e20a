/* SPDX-License-Identifier: MIT */
/*
 * Epoll sets that are themselves polled: by poll() and select(), or because
 * they stand in other sets.  The kernel wakes who polls one for whatever comes
 * over the network; what is of the TLS alone (a session ticket, half a record)
 * is sorted out here before the program hears of it.
 */
#ifndef TLSSHIM_NEST_H
#define TLSSHIM_NEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "event/watch.h"

/* inner was put into outer, or taken out. */
void nest_add(struct watch_set *outer, struct watch_set *inner);
void nest_remove(struct watch_set *outer, const struct watch_set *inner);
/* The last number of the set was closed. */
void nest_closed(struct watch_set *outer);

static inline bool nest_has_inner(struct watch_set *set)
{
	return atomic_load(&set->inner) != NULL;
}

/* May the kernel call it readable for nothing? */
static inline bool nest_may_deceive(struct watch_set *set)
{
	return set->annex >= 0 || nest_has_inner(set);
}

/*
 * Looks into what the kernel says of the sets that stand in this one, so that
 * from now on it calls those readable that are.  No locks may be held; takes
 * those of connections.
 */
void nest_look(struct watch_set *set);

/* The same of the set itself: would epoll_wait() on it tell anything? */
bool nest_is_readable(struct watch_set *set);

/* The first deadline of a handshake in it and in all that stand in it, or
 * INT64_MAX.  nest_look() and nest_is_readable() end those. */
int64_t nest_deadline(struct watch_set *set);

/* This process is a copy of one that may have held our lock. */
void nest_fork_child(void);

#endif
