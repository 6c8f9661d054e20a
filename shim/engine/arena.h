/* SPDX-License-Identifier: MIT */
/*
 * The engine's own memory: a small allocator over mmap(2).  The program's
 * malloc() is not used because the engine is opened with RTLD_DEEPBIND (one
 * half of a malloc/free pair would be glibc's, the other the program's
 * jemalloc), and because a forked relay must be able to allocate whatever
 * state another thread left the program's malloc() in.
 *
 * All functions are thread safe and leave errno to chance.
 */
#ifndef TLSSHIM_ENGINE_ARENA_H
#define TLSSHIM_ENGINE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that a block costs beyond what was asked for.  A buffer of a power of
 * two less this fits its size class exactly. */
#define ARENA_OVERHEAD 16

/* At least size bytes, aligned to 16, contents undefined; NULL: out of
 * memory.  Size 0 gives a block that may be freed. */
void *arena_alloc(size_t size);

/* The same, all zero. */
void *arena_zalloc(size_t size);

/* As realloc(3): NULL on failure, with the old block untouched; size 0 frees
 * and gives NULL; user NULL allocates. */
void *arena_realloc(void *user, size_t size);

/* NULL is allowed. */
void arena_free(void *user);

/* Calls visit for all memory that the arena has from the system; false: too
 * many pieces to know them all.  No other thread may be in here. */
bool arena_each(
	void (*visit)(void *arg, const void *start, size_t size), void *arg);

/* In the child of a fork(2) during which no other thread was in here. */
void arena_fork_child(void);

#endif
