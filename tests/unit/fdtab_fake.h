/* SPDX-License-Identifier: MIT */
/*
 * A table of descriptors for tests that link the log without connections: it
 * notes what was hidden, and a test can make numbers below 1024 ours.
 * Included once by a test, which then links no fdtab.o.
 */
#ifndef TLSSHIM_FDTAB_FAKE_H
#define TLSSHIM_FDTAB_FAKE_H

#include "base/fdtab.h"

_Atomic(fdtab_cell *) fdtab_chunks[FDTAB_CHUNKS];
static fdtab_cell fake_cells[1 << FDTAB_CHUNK_BITS];
static int fake_hidden = -1; /* the last one hidden and not unhidden */

bool fdtab_hide(int fd, struct conn *c)
{
	(void)c;
	fake_hidden = fd;
	return true;
}

void fdtab_unhide(int fd)
{
	if (fake_hidden == fd)
		fake_hidden = -1;
}

/* Makes a low number a connection, or nothing again (0). */
static inline void fake_number(int fd, uintptr_t value)
{
	fdtab_chunks[0] = fake_cells;
	fake_cells[fd] = value;
}

#endif
