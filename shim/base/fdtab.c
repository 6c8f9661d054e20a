/* SPDX-License-Identifier: MIT */
/*
 * The table of descriptors: cells, and who they are made for.  Takes no
 * references.
 */
#include "base/fdtab.h"

#include "base/idle.h"
#include "base/map.h"

#define CHUNK_CELLS (1 << FDTAB_CHUNK_BITS)

_Atomic(fdtab_cell *) fdtab_chunks[FDTAB_CHUNKS];
atomic_bool fdtab_used IDLE_DATA;
__thread int fdtab_shown;

fdtab_cell *fdtab_cell_of(int fd)
{
	fdtab_cell *chunk;

	if ((unsigned)fd >= FDTAB_MAX)
		return NULL;
	chunk = fdtab_chunks[fd >> FDTAB_CHUNK_BITS];
	return chunk ? &chunk[fd & (CHUNK_CELLS - 1)] : NULL;
}

bool fdtab_reserve(int fd)
{
	fdtab_cell *chunk, *none = NULL;
	size_t size = CHUNK_CELLS * sizeof(fdtab_cell);

	if ((unsigned)fd >= FDTAB_MAX)
		return false;
	if (fdtab_cell_of(fd))
		return true;
	chunk = map_memory(size);
	if (!chunk)
		return false;
	if (!atomic_compare_exchange_strong(
		    &fdtab_chunks[fd >> FDTAB_CHUNK_BITS], &none, chunk))
		munmap(chunk, size);
	atomic_store(&fdtab_used, true);
	return true;
}

bool fdtab_hide(int fd, struct conn *c)
{
	if (!fdtab_reserve(fd))
		return false;
	atomic_store(fdtab_cell_of(fd), (uintptr_t)c | FDTAB_HIDDEN);
	return true;
}

void fdtab_unhide(int fd)
{
	fdtab_cell *cell = fdtab_cell_of(fd);

	if (cell)
		atomic_store(cell, 0);
}

void fdtab_set_epoll(int fd, struct watch_set *set)
{
	atomic_store(fdtab_cell_of(fd), set ? (uintptr_t)set | FDTAB_EPOLL : 0);
}

void fdtab_note(int fd, uintptr_t note)
{
	fdtab_cell *cell;
	uintptr_t old;

	if (!fdtab_reserve(fd))
		return;
	cell = fdtab_cell_of(fd);
	old = atomic_load(cell);
	while (old <= FDTAB_NOTES &&
		!atomic_compare_exchange_weak(cell, &old, old | note))
		;
}

void fdtab_unnote_slow(int fd, uintptr_t note)
{
	fdtab_cell *cell = fdtab_cell_of(fd);
	uintptr_t old = atomic_load(cell);

	while (old <= FDTAB_NOTES &&
		!atomic_compare_exchange_weak(cell, &old, old & ~note))
		;
}

void fdtab_abandon(void)
{
	for (unsigned i = 0; i < FDTAB_CHUNKS; i++)
		if (fdtab_chunks[i])
			fdtab_chunks[i] = NULL;
	atomic_store(&fdtab_used, false);
}

void fdtab_each(unsigned first, unsigned last,
	bool (*visit)(int fd, uintptr_t cell, void *arg), void *arg)
{
	if (last >= FDTAB_MAX)
		last = FDTAB_MAX - 1;
	for (unsigned fd = first; fd <= last; fd++) {
		uintptr_t value;

		if (!fdtab_chunks[fd >> FDTAB_CHUNK_BITS]) {
			fd |= CHUNK_CELLS - 1;
			continue;
		}
		value = fdtab_peek((int)fd);
		if (value && !visit((int)fd, value, arg))
			return;
	}
}
