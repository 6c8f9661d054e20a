/* SPDX-License-Identifier: MIT */
/*
 * Results of getaddrinfo() that are still alive: a table from the ai_addr
 * pointers to names, private to the process, under the lock of
 * names/lock.h.
 */
#include "names/live.h"

#include <stdatomic.h>
#include <string.h>
#include "names/lock.h"

#define PLACES 512

static const struct sockaddr *live_at[PLACES]; /* NULL: free */
static struct {
	struct names_address address;
	char name[NAMES_NAME_MAX];
} live[PLACES];
static unsigned live_victim;
static _Atomic unsigned live_used; /* no place from here on was used */
static _Atomic bool live_lost;	   /* a forget was missed: trust none */

/* The place of a pointer, or PLACES.  NULL gives a free one. */
static unsigned live_place(const struct sockaddr *at)
{
	unsigned used = atomic_load(&live_used);

	for (unsigned i = 0; i < used; i++)
		if (live_at[i] == at)
			return i;
	return !at && used < PLACES ? used : PLACES;
}

static void live_forget(const struct sockaddr *at)
{
	unsigned i = live_place(at);

	if (i < PLACES)
		live_at[i] = NULL;
}

/* When all places are taken one is overwritten: its result then counts as a
 * mere address, which is safe. */
static void live_learn(const struct sockaddr *at,
	const struct names_address *address, const char *name)
{
	unsigned i = live_place(NULL);

	if (i == PLACES)
		i = live_victim++ % PLACES;
	else if (i == atomic_load(&live_used))
		atomic_store(&live_used, i + 1);
	live_at[i] = at;
	live[i].address = *address;
	memcpy(live[i].name, name, strlen(name) + 1);
}

void names_live_update(const struct addrinfo *result, const char *name)
{
	struct names_address address;
	sigset_t before;

	if (atomic_load(&live_lost))
		return;
	if (!name && !atomic_load(&live_used))
		return;
	if (!names_lock(&before)) {
		atomic_store(&live_lost, true);
		return;
	}
	for (; result; result = result->ai_next) {
		if (!names_address(
			    result->ai_addr, result->ai_addrlen, &address))
			continue;
		live_forget(result->ai_addr);
		if (name)
			live_learn(result->ai_addr, &address, name);
	}
	names_unlock(&before);
}

bool names_live_find(const struct sockaddr *addr,
	const struct names_address *address, char name[NAMES_NAME_MAX])
{
	sigset_t before;
	bool found;
	unsigned i;

	if (!atomic_load(&live_used) || atomic_load(&live_lost) ||
		!names_lock(&before))
		return false;
	i = live_place(addr);
	found = i < PLACES && names_address_equal(&live[i].address, address);
	if (found)
		memcpy(name, live[i].name, NAMES_NAME_MAX);
	names_unlock(&before);
	return found;
}

void names_live_forget_all(void)
{
	memset(live_at, 0, sizeof(live_at));
}
