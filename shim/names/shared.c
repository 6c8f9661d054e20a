/* SPDX-License-Identifier: MIT */
/*
 * The ring of look-ups.  Knows shared memory, and how little can be said of
 * what lies there; which names count is names.c's affair.
 *
 * Whoever tells something draws a ticket, which is a place in the ring, writes,
 * and publishes.  A process that dies in between leaves an entry unpublished:
 * readers give it a few milliseconds, and then pass over it.  One that is so
 * slow that the ring came round meanwhile spoils another's
 * entry; the checksum tells.
 */
#include "names/shared.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* How often an entry is looked at again, a tenth of a millisecond apart, before
 * its writer counts as dead. */
#define PATIENCE 50

struct place {
	/* The ticket, times two, and one where it is published. */
	_Atomic uint32_t state;
	uint32_t checksum;
	struct names_entry entry;
};

static struct ring {
	_Atomic uint32_t tickets; /* drawn; the first is 1 */
	_Atomic uint32_t looks;
	struct place places[NAMES_SHARED];
} * ring;

static uint32_t taken; /* tickets that were taken, or passed over */

static uint32_t checksum_of(const struct names_entry *entry)
{
	const unsigned char *bytes = (const unsigned char *)entry;
	uint32_t sum = 0x811c9dc5u;

	for (size_t i = 0; i < sizeof(*entry); i++)
		sum = (sum ^ bytes[i]) * 0x01000193u;
	return sum;
}

int names_shared_begin(void)
{
	void *map = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int error = map == MAP_FAILED ? errno : 0;

	if (ring)
		munmap(ring, sizeof(*ring));
	ring = error ? NULL : map;
	taken = 0;
	return error;
}

uint32_t names_shared_look(void)
{
	return ring ? atomic_fetch_add(&ring->looks, 1) + 1 : 0;
}

void names_shared_tell(struct names_entry *entry)
{
	struct place *place;
	uint32_t ticket;

	if (!ring)
		return;
	entry->pid = (uint32_t)getpid();
	ticket = atomic_fetch_add(&ring->tickets, 1) + 1;
	place = &ring->places[ticket % NAMES_SHARED];
	atomic_store(&place->state, ticket << 1);
	memcpy(&place->entry, entry, sizeof(*entry));
	place->checksum = checksum_of(entry);
	atomic_store_explicit(
		&place->state, ticket << 1 | 1, memory_order_release);
	/* What a child inherits needs not be told to it. */
	if (taken == ticket - 1)
		taken = ticket;
}

/* Passes over what the ring has overwritten. */
static void catch_up(bool *lost)
{
	uint32_t behind = atomic_load(&ring->tickets) - taken;

	if (behind <= NAMES_SHARED)
		return;
	taken += behind - NAMES_SHARED;
	*lost = true;
}

enum look { LOOK_GOOD, LOOK_BAD, LOOK_NOT_YET };

static enum look look_at(uint32_t ticket, struct names_entry *entry)
{
	struct place *place = &ring->places[ticket % NAMES_SHARED];
	uint32_t checksum, wanted = ticket << 1 | 1;
	uint32_t state =
		atomic_load_explicit(&place->state, memory_order_acquire);
	char canonical[NAMES_NAME_MAX];

	/* Older than the ticket: still to be written. */
	if (state != wanted)
		return (int32_t)(state - wanted) < 0 ? LOOK_NOT_YET : LOOK_BAD;
	memcpy(entry, &place->entry, sizeof(*entry));
	checksum = place->checksum;
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load(&place->state) != wanted ||
		checksum != checksum_of(entry) ||
		entry->name[NAMES_NAME_MAX - 1])
		return LOOK_BAD;
	if (entry->name[0] &&
		(names_canonical(entry->name, canonical) != NAMES_IS_NAME ||
			strcmp(entry->name, canonical) != 0))
		return LOOK_BAD;
	return LOOK_GOOD;
}

/* The writer may be about to write. */
static enum look wait_for(uint32_t ticket, struct names_entry *entry)
{
	const struct timespec moment = {.tv_nsec = 100000};
	enum look look = LOOK_NOT_YET;

	for (int i = 0; i < PATIENCE && look == LOOK_NOT_YET; i++) {
		nanosleep(&moment, NULL);
		look = look_at(ticket, entry);
	}
	return look;
}

bool names_shared_take(struct names_entry *entry, bool *lost)
{
	bool waited = false; /* one dead writer is as good as many */

	while (ring && atomic_load(&ring->tickets) != taken) {
		enum look look;

		catch_up(lost);
		look = look_at(++taken, entry);
		if (look == LOOK_NOT_YET && !waited) {
			look = wait_for(taken, entry);
			waited = look == LOOK_NOT_YET;
		}
		if (look != LOOK_GOOD)
			*lost = true;
		else if (entry->pid != (uint32_t)getpid())
			return true;
	}
	return false;
}

void *names_shared_memory(size_t *size)
{
	*size = sizeof(*ring);
	return ring;
}
