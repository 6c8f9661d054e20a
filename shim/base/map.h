/* SPDX-License-Identifier: MIT */
/*
 * Memory that is not the heap's, which a signal handler may have interrupted
 * and which is the program's to watch.
 */
#ifndef TLSSHIM_MAP_H
#define TLSSHIM_MAP_H

#include <sys/mman.h>

/* Zeros, private to this process, for munmap(2); NULL: there is none. */
static inline void *map_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

#endif
