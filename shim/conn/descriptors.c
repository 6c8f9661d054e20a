/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that name connections: cells of the table (fdtab.h), and the
 * references that go with them.
 */
#include "conn/descriptors.h"

#include "conn/conn.h"

static struct conn *conn_in(uintptr_t value)
{
	return (struct conn *)(value & ~FDTAB_TAGS);
}

/* Does the number hold a connection, plugged or not? */
static bool holds_conn(uintptr_t value)
{
	return fdtab_is_number(value) || (value & FDTAB_PLUGGED);
}

struct conn *descriptor_get_slow(int fd)
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
			c->ops->copied();
			return NULL;
		}
		if (!conn_ref_try(c))
			continue;
		if (fdtab_peek(fd) == value)
			return c;
		conn_put(c);
	}
}

struct conn *descriptor_get_plugged(int fd)
{
	uintptr_t value = fdtab_peek(fd);
	struct conn *c = conn_in(value);

	return (value & FDTAB_PLUGGED) && conn_ref_try(c) ? c : NULL;
}

void descriptor_plug(int fd, struct conn *c)
{
	uintptr_t now = (uintptr_t)c;

	atomic_compare_exchange_strong(
		fdtab_cell_of(fd), &now, (uintptr_t)c | FDTAB_PLUGGED);
}

void descriptor_set(int fd, struct conn *c)
{
	fdtab_cell *cell = fdtab_cell_of(fd);
	uintptr_t old;

	conn_number_get(c);
	old = atomic_exchange(cell, (uintptr_t)c);
	if (holds_conn(old))
		conn_number_put(conn_in(old));
}

struct conn *descriptor_take(int fd)
{
	fdtab_cell *cell = fdtab_cell_of(fd);
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
