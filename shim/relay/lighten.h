/* SPDX-License-Identifier: MIT */
/*
 * Gives up the memory of the program that a relay is a copy of: every page
 * that both still share would be copied once more when the program writes it.
 */
#ifndef TLSSHIM_LIGHTEN_H
#define TLSSHIM_LIGHTEN_H

#include <stddef.h>
#include "relay/relay.h"

/* In the program, before the copy is made: notes what belongs to libraries.
 * Takes the dynamic linker's lock.  By one thread at a time. */
void lighten_prepare(void);

/*
 * Unmaps the private anonymous memory of this process but the data of
 * libraries, the engine's, the legs, their connections, the given stack and
 * what the C library needs of this thread.  Without legs (n is 0) the engine's
 * goes as well, and is not to be called.  Only in a relay, which has one
 * thread and ends by _exit().
 */
void lighten(const struct relay_leg *legs, unsigned n, const void *stack,
	size_t stack_size);

#endif
