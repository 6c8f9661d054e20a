/* SPDX-License-Identifier: MIT */
/*
 * Connections and other processes: around fork() and in copies that nobody
 * announced, when a relay has taken one over, and the numbers that change
 * hands in it.
 */
#include "conn.h"

#include <errno.h>
#include "epollset.h"
#include "descriptors.h"
#include "fdtab.h"
#include "keeper.h"
#include "names.h"
#include "real.h"
#include "sender.h"

atomic_uint conn_left_open;

/* ---- copies of the process ---- */

/* Plugged ones live on here: with a lock that may have been held in the
 * parent, and a real socket that is closed now. */
static bool disown_one(int fd, uintptr_t cell, void *arg)
{
	struct conn *c = (struct conn *)(cell & ~FDTAB_TAGS);

	(void)arg;
	if (cell <= FDTAB_NOTES || cell == FDTAB_HIDDEN || (cell & FDTAB_EPOLL))
		return true;
	conn_init_lock(c);
	if (!(cell & FDTAB_PLUGGED))
		fdtab_unhide(fd);
	if (cell & FDTAB_HIDDEN) {
		c->real = -1;
		real(close)(fd);
	}
	return true;
}

static void disown_all(void)
{
	atomic_store(&conn_count, 0);
	/* What is free has its waiters in memory that the parent shares. */
	conn_pool_abandon();
	fdtab_each(0, FDTAB_MAX - 1, disown_one, NULL);
	epollset_fork_child();
	sender_fork_child();
	names_fork_child();
	if (tls_loaded())
		tls_loaded()->fork_child();
}

void conn_disown_all(void)
{
	int saved_errno = errno;

	if (atomic_load(&conn_count) > 0)
		disown_all();
	errno = saved_errno;
}

/* What this fork() has locked: a connection may leave the table meanwhile. */
static struct conn *locked;

/* By its real socket, which each has once. */
static bool lock_one(int fd, uintptr_t cell, void *arg)
{
	struct conn *c = (struct conn *)(cell & ~FDTAB_HIDDEN);

	(void)fd;
	(void)arg;
	/* It fails for one that our own thread holds: it forks in a signal
	 * handler. */
	if (!(cell & FDTAB_HIDDEN) || !c || !mutex_lock(&c->lock))
		return true;
	c->next_locked = locked;
	locked = c;
	return true;
}

void conn_fork_prepare(void)
{
	epollset_fork_prepare();
	fdtab_each(0, FDTAB_MAX - 1, lock_one, NULL);
	conn_pool_lock();
	if (tls_loaded())
		tls_loaded()->copy_begin();
}

void conn_fork_parent(void)
{
	if (tls_loaded())
		tls_loaded()->copy_end();
	conn_pool_unlock();
	for (; locked; locked = locked->next_locked)
		mutex_unlock(&locked->lock);
}

void conn_fork_child(void)
{
	int saved_errno = errno;

	/* Also where the parent had no connection any more. */
	locked = NULL;
	disown_all();
	errno = saved_errno;
}

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
