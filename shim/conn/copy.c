/* SPDX-License-Identifier: MIT */
/*
 * A connection that leaves its numbers, or this process: when it is closed
 * elsewhere, when a relay has taken it over, and when the program wants the
 * number of its real socket.
 */
#include "conn/conn.h"

#include <errno.h>
#include "base/fdtab.h"
#include "base/keeper.h"
#include "base/real.h"
#include "conn/descriptors.h"

atomic_uint conn_left_open;

struct forgotten {
	struct conn *c;
	bool copied; /* several numbers: connect() looks for them again */
};

static bool forget_one(int fd, uintptr_t cell, void *arg)
{
	const struct forgotten *one = arg;

	if ((cell & ~FDTAB_PLUGGED) != (uintptr_t)one->c ||
		!descriptor_take(fd))
		return true;
	if (one->copied)
		fdtab_note(fd, FDTAB_MARKED);
	conn_number_put(one->c);
	return true;
}

void conn_forget_numbers(struct conn *c)
{
	struct forgotten one = {.c = c};

	if (c->watches && conn_lock(c) == 0) {
		c->observer->reverted(c);
		conn_unlock(c);
	}
	one.copied = atomic_load(&c->numbers) > 1;
	fdtab_each(0, FDTAB_MAX - 1, forget_one, &one);
}

/* ---- handed over ---- */

static bool plug_one(int fd, uintptr_t cell, void *arg)
{
	if (cell == (uintptr_t)arg)
		descriptor_plug(fd, arg);
	return true;
}

void conn_plugged(struct conn *c)
{
	socklen_t len = sizeof(c->self);

	real(getsockname)(c->real, &c->self.any, &len);
	c->tls->session_free(c->session);
	c->session = NULL;
	c->state = CONN_PLUGGED;
	atomic_fetch_sub(&conn_count, 1);
	fdtab_each(0, FDTAB_MAX - 1, plug_one, c);
}

static void close_real(struct conn *c)
{
	fdtab_unhide(c->real);
	real(close)(c->real);
	c->real = -1;
}

void conn_plugged_done(struct conn *c)
{
	if (c->state != CONN_PLUGGED || c->real < 0)
		return;
	if (keeper_is_borrowed())
		atomic_fetch_add(&conn_left_open, 1);
	/* Another thread may be about to sleep on it: then it stays until the
	 * last has gone (conn_finish).  The relay does not rely on close(). */
	else if (atomic_load(&c->refs) <= atomic_load(&c->numbers) + 1)
		close_real(c);
}

static bool close_left(int fd, uintptr_t cell, void *arg)
{
	struct conn *c = (struct conn *)(cell & ~FDTAB_TAGS);

	(void)fd;
	(void)arg;
	if ((cell & FDTAB_HIDDEN) && c && c->state == CONN_PLUGGED)
		close_real(c);
	return true;
}

void conn_close_left(void)
{
	if (keeper_is_borrowed())
		return;
	atomic_store(&conn_left_open, 0);
	fdtab_each(0, FDTAB_MAX - 1, close_left, NULL);
}

bool conn_move_real(int fd)
{
	uintptr_t cell = fdtab_peek(fd);
	struct conn *c = (struct conn *)(cell & ~FDTAB_HIDDEN);
	int moved;

	if (!(cell & FDTAB_HIDDEN) || !c || conn_lock(c) != 0)
		return false;
	moved = real(fcntl)(fd, F_DUPFD_CLOEXEC, fd + 1);
	if (moved >= 0 && fdtab_hide(moved, c)) {
		c->real = moved;
		fdtab_unhide(fd);
	}
	conn_unlock(c);
	return moved >= 0;
}
