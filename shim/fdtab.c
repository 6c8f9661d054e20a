/* SPDX-License-Identifier: MIT */
/*
 * The table of descriptors.  Knows what a number means; of connections it
 * knows only how to take and return references.
 */
#include "fdtab.h"

#include <errno.h>
#include "conn.h"
#include "idle.h"
#include "map.h"

#define CHUNK_CELLS (1 << FDTAB_CHUNK_BITS)

_Atomic(fdtab_cell *) fdtab_chunks[FDTAB_CHUNKS];
atomic_bool fdtab_used IDLE_DATA;
__thread int fdtab_shown;

static fdtab_cell *cell_of(int fd)
{
	fdtab_cell *chunk;

	if ((unsigned)fd >= FDTAB_MAX)
		return NULL;
	chunk = fdtab_chunks[fd >> FDTAB_CHUNK_BITS];
	return chunk ? &chunk[fd & (CHUNK_CELLS - 1)] : NULL;
}

static struct conn *conn_in(uintptr_t value)
{
	return (struct conn *)(value & ~FDTAB_TAGS);
}

/* Does the number hold a connection, plugged or not? */
static bool holds_conn(uintptr_t value)
{
	return fdtab_is_number(value) || (value & FDTAB_PLUGGED);
}

bool fdtab_reserve(int fd)
{
	fdtab_cell *chunk, *none = NULL;
	size_t size = CHUNK_CELLS * sizeof(fdtab_cell);

	if ((unsigned)fd >= FDTAB_MAX)
		return false;
	if (cell_of(fd))
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

struct conn *fdtab_get_slow(int fd)
{
	conn_recover();
	for (;;) {
		uintptr_t value = fdtab_peek(fd);
		struct conn *c;

		if (value <= FDTAB_NOTES ||
			(value & (FDTAB_EPOLL | FDTAB_PLUGGED)))
			return NULL;
		if (value & FDTAB_HIDDEN)
			return fdtab_is_shown(fd) ? NULL : &conn_hidden;
		c = conn_in(value);
		if (!conn_is_ours(c)) {
			conn_disown_all();
			return NULL;
		}
		if (!conn_ref_try(c))
			continue;
		if (fdtab_peek(fd) == value)
			return c;
		conn_put(c);
	}
}

struct conn *fdtab_get_plugged(int fd)
{
	uintptr_t value = fdtab_peek(fd);
	struct conn *c = conn_in(value);

	return (value & FDTAB_PLUGGED) && conn_ref_try(c) ? c : NULL;
}

void fdtab_plug(int fd, struct conn *c)
{
	uintptr_t now = (uintptr_t)c;

	atomic_compare_exchange_strong(
		cell_of(fd), &now, (uintptr_t)c | FDTAB_PLUGGED);
}

void fdtab_set(int fd, struct conn *c)
{
	fdtab_cell *cell = cell_of(fd);
	uintptr_t old;

	conn_number_get(c);
	old = atomic_exchange(cell, (uintptr_t)c);
	if (holds_conn(old))
		conn_number_put(conn_in(old));
}

struct conn *fdtab_take(int fd)
{
	fdtab_cell *cell = cell_of(fd);
	uintptr_t old;

	if (!cell)
		return NULL;
	conn_recover();
	old = atomic_load(cell);
	/* A mark outlives its number: connect() compares files anyway, and a
	 * child of vfork() closes numbers that its parent keeps. */
	while (holds_conn(old))
		if (atomic_compare_exchange_weak(cell, &old, 0))
			return conn_in(old);
	return NULL;
}

bool fdtab_hide(int fd, struct conn *c)
{
	if (!fdtab_reserve(fd))
		return false;
	atomic_store(cell_of(fd), (uintptr_t)c | FDTAB_HIDDEN);
	return true;
}

void fdtab_unhide(int fd)
{
	fdtab_cell *cell = cell_of(fd);

	if (cell)
		atomic_store(cell, 0);
}

void fdtab_set_epoll(int fd, struct watch_set *set)
{
	atomic_store(cell_of(fd), set ? (uintptr_t)set | FDTAB_EPOLL : 0);
}

void fdtab_note(int fd, uintptr_t note)
{
	fdtab_cell *cell;
	uintptr_t old;

	if (!fdtab_reserve(fd))
		return;
	cell = cell_of(fd);
	old = atomic_load(cell);
	while (old <= FDTAB_NOTES &&
		!atomic_compare_exchange_weak(cell, &old, old | note))
		;
}

void fdtab_unnote_slow(int fd, uintptr_t note)
{
	fdtab_cell *cell = cell_of(fd);
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
