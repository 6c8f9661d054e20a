/* SPDX-License-Identifier: MIT */
/*
 * Memory that the program points at, before the shim reads it: where the
 * kernel would answer EFAULT, a look of our own would end the program.
 */
#ifndef TLSSHIM_USER_MEMORY_H
#define TLSSHIM_USER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Can the n bytes at p be read?  One cheap system call for each page that they
 * lie on; n may be 0 (then yes).  Takes no lock and may be called in a signal
 * handler; errno is left as found.  Another thread may unmap the memory
 * directly afterwards, as it may for any call.
 */
bool user_memory_is_readable(const void *p, size_t n);

/*
 * Can p not be an address at all: NULL and what lies near it, or the kernel's
 * half of the address space?  Costs no system call; for paths on which asking
 * the kernel would be too dear.
 */
static inline bool user_memory_is_absurd(const void *p)
{
	return (intptr_t)p < 4096;
}

#endif
