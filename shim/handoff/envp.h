/* SPDX-License-Identifier: MIT */
/*
 * The environment of a program that is about to be started: with what is given
 * back to it (childenv.h), and with the peers of connections that were handed
 * over, which it may inherit (peers.h).
 */
#ifndef TLSSHIM_ENVP_H
#define TLSSHIM_ENVP_H

#include <stdbool.h>
#include <stddef.h>
#include "config/childenv.h"

struct envp_plan {
	bool gives; /* the library, the settings or both */
	unsigned peers;
	struct childenv_plan child;
	size_t size; /* of the room that envp_make() wants; 0: envp will do */
};

/* What there is to add, where `gives` allows library and settings.  No peers
 * are added where the new program will not have the library. */
void envp_plan(struct envp_plan *plan, char *const envp[], bool gives);

/*
 * On the stack there is room for so much.  More goes into a mapping, which
 * stays when a child of vfork() succeeds, until the same thread needs one
 * again: such a child has its parent's stack, of which it takes more.
 */
#define ENVP_ON_STACK 4096
#define ENVP_ON_STACK_OF_PARENT (32 * 1024)

/* The new environment in room[0..plan->size), which is aligned like a
 * pointer. */
char *const *envp_make(const struct envp_plan *plan, void *room);

/*
 * For the shells that libc starts by itself: `environ`, at *at, has what is to
 * be given back until the last envp_restore(), unless somebody puts another in
 * its place meanwhile.  What it was before is put back then.
 */
void envp_replace(char ***at);
void envp_restore(char ***at);

#endif
