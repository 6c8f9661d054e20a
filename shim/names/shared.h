/* SPDX-License-Identifier: MIT */
/*
 * What processes that come from one another by fork() tell each other of their
 * look-ups (lftp, irssi and lynx look up in a child and connect in the parent):
 * a ring in shared memory, the last NAMES_SHARED of them; for names.c.  Any of
 * these processes may have gone wrong, so what is read is input like that of a
 * stranger, and no lock lies there that a dead one could hold.
 *
 * A process takes each entry once, into memory of its own: what is changed or
 * overwritten afterwards it does not see.  All functions but the last are
 * called with the lock of names/lock.h held.
 */
#ifndef TLSSHIM_NAMES_SHARED_H
#define TLSSHIM_NAMES_SHARED_H

#include "names/names.h"

#define NAMES_SHARED 4096 /* entries: 1.1 MiB */

struct names_entry {
	uint32_t look; /* the same for all addresses of one answer */
	uint32_t pid;  /* who says so */
	struct names_address address;
	char name[NAMES_NAME_MAX]; /* "": one that cannot be kept */
};

/* A new ring, for this process and those that it will fork; what came by the
 * last one is no longer seen, and nothing is written there.  Returns 0 or an
 * errno value: then there is none. */
int names_shared_begin(void);

/* A number for the answer whose addresses are told next. */
uint32_t names_shared_look(void);

/* entry->pid is filled in. */
void names_shared_tell(struct names_entry *entry);

/*
 * The next entry that another process told.  The name is a canonical one or
 * "".  False: there is none for now.  *lost is set where some were overwritten
 * before they could be taken, or make no sense.  Waits some milliseconds for a
 * process that is writing.
 */
bool names_shared_take(struct names_entry *entry, bool *lost);

/* For tests: the ring and its size in bytes, NULL before there is one. */
void *names_shared_memory(size_t *size);

#endif
