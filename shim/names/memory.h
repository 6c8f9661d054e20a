/* SPDX-License-Identifier: MIT */
/*
 * The names of addresses, in memory of this process; for names.c.  What it
 * looked up itself and what others told stand beside each other and never
 * replace each other.
 *
 * A name can move: one that was looked up again since, with an answer of the
 * same family that no longer had the address, does not count for it any more,
 * an hour after the answer that had it, where another name remains; that other
 * one must be this process's own where the first one is.  The last name stays
 * however old it is.  Where there is no more room the pair that was used
 * longest ago gives way, and a mark tells that a name of that address was lost
 * until it is looked up again.
 *
 * All functions are called with the lock of names/lock.h held; none blocks.
 */
#ifndef TLSSHIM_NAMES_MEMORY_H
#define TLSSHIM_NAMES_MEMORY_H

#include "names/names.h"

enum names_who { NAMES_OWN, NAMES_OTHERS };

/* An answer: of one look-up, at a time in seconds. */
struct names_answer {
	enum names_who who;
	uint32_t look; /* another for each answer of the same who */
	uint32_t now;
};

/* The name `text` (canonical; "": one that cannot be kept) has this address. */
void names_memory_learn(const struct names_answer *answer, const char *text,
	const struct names_address *address);

/* What is known of an address; *has_own: some of it by this process. */
void names_memory_find(const struct names_address *address, uint32_t now,
	struct names_found *found, bool *has_own);

/* Everything is forgotten, for a test. */
void names_memory_reset(void);

#endif
