/* SPDX-License-Identifier: MIT */
/*
 * The global scope: which of the loaded objects define a name, and which of
 * them the dynamic linker asks before this library.  Read from the objects' own
 * symbol tables: dlsym(3) is a name of calls.def itself, and before glibc 2.34
 * it allocates memory.
 *
 * Nothing here allocates, makes a system call or changes errno.
 */
#ifndef TLSSHIM_SCOPE_H
#define TLSSHIM_SCOPE_H

#include <stdbool.h>

/* The C library's default definition of a function, or NULL. */
void *scope_of_libc(const char *name);

/* This library's own, exported one: NULL for all but the names of calls.def.
 * No walk: a look into one hash table. */
void *scope_own(const char *name);

/*
 * The file of a preloaded library that stands before this one and defines
 * connect(2), or NULL: it sees the program's connections first and decides
 * where they go.  The executable's own functions count as little as those of
 * the sanitizers' runtimes, which pass everything on.
 */
const char *scope_before_us(void);
/* Is that library another copy of this one? */
bool scope_is_copy(const char *file);

/*
 * A look-up of this name gave what is found there, to code at caller: should it
 * get this library's function instead?  It should where it was given the C
 * library's (or liburing's) definition, unless it is what stands between:
 *   its own object defines the name, and is asked after us	no: a wrapper
 *	that wants what it wraps, and is itself what we call next
 *   its own object defines the name, and is asked before us	yes
 *   any other							yes
 * Takes the dynamic linker's lock.
 */
bool scope_goes_round_us(
	const char *name, const void *found, const void *caller);

/* The file of the object that has both, in code or data, or NULL.  Takes the
 * dynamic linker's lock. */
const char *scope_has_both(const void *one, const void *other);

/* Is this code of an object that is asked before us?  Takes the dynamic
 * linker's lock. */
bool scope_is_before_us(const void *code);

#endif
