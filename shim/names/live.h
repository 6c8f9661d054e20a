/* SPDX-License-Identifier: MIT */
/*
 * The part of names.h that knows results by their place in memory; for
 * names.c.  Each function takes a short lock of this process, with signals
 * blocked meanwhile, so that it may be called in signal handlers as well.
 */
#ifndef TLSSHIM_NAMES_LIVE_H
#define TLSSHIM_NAMES_LIVE_H

#include "names/names.h"

/*
 * What lies at the ai_addr of each entry is new, and belongs to this name
 * (canonical), or to none any more (NULL).  What was noted of these places is
 * forgotten in any case: a result may have been freed behind our back.
 */
void names_live_update(const struct addrinfo *result, const char *name);

/* Is there a live entry at this very place, with this address?  Then its
 * name goes into name. */
bool names_live_find(const struct sockaddr *addr,
	const struct names_address *address, char name[NAMES_NAME_MAX]);

/* In a copy of the process in which the lock's holder is not: it may have been
 * amid a change. */
void names_live_forget_all(void);

#endif
