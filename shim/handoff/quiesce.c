/* SPDX-License-Identifier: MIT */
/*
 * All threads stand still while the process is copied.  Knows every lock that
 * a copy must find whole, their order, and what a copy forgets.
 */
#include "handoff/quiesce.h"

#include <errno.h>
#include "base/fdtab.h"
#include "base/quiet.h"
#include "base/real.h"
#include "conn/conn.h"
#include "event/epollset.h"
#include "handoff/sender.h"
#include "names/names.h"
#include "tls/engine_lock.h"
#include "tls/loader.h"

/* ---- what a copy forgets ---- */

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

void quiesce_disown(void)
{
	int saved_errno = errno;

	if (atomic_load(&conn_count) > 0)
		disown_all();
	errno = saved_errno;
}

/* ---- locks ---- */

/* Of the thread that copies the process. */
static sigset_t outer_signals;

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

static void lock_all(void)
{
	epollset_fork_prepare();
	fdtab_each(0, FDTAB_MAX - 1, lock_one, NULL);
	conn_pool_lock();
	if (tls_loaded())
		tls_loaded()->copy_begin();
}

static void unlock_all(void)
{
	if (tls_loaded())
		tls_loaded()->copy_end();
	conn_pool_unlock();
	for (; locked; locked = locked->next_locked)
		mutex_unlock(&locked->lock);
}

void quiesce_begin(void)
{
	sigset_t signals;

	quiet_begin(&signals);
	engine_lock();
	outer_signals = signals;
	lock_all();
}

void quiesce_end(void)
{
	sigset_t signals = outer_signals;

	unlock_all();
	engine_unlock();
	quiet_end(&signals);
}

void quiesce_child(void)
{
	int saved_errno = errno;

	/* Also where the parent had no connection any more. */
	locked = NULL;
	engine_lock_reset();
	disown_all();
	errno = saved_errno;
	quiet_end(&outer_signals);
}
