/* SPDX-License-Identifier: MIT */
/*
 * Who says goodbye, and when.  Knows the table of numbers; who listens is
 * relay/leg.c.
 */
#include "handoff/goodbye.h"

#include <errno.h>
#include "base/fdtab.h"
#include "base/keeper.h"
#include "base/real.h"
#include "conn/conn.h"
#include "conn/descriptors.h"

static void say(struct conn *c)
{
	atomic_store(c->unsaid, 0);
}

void goodbye_number(struct conn *c)
{
	/* Plugged or about to be, which only the lock would tell. */
	if (atomic_load(&c->numbers) == 1)
		say(c);
}

static bool is_plugged(int fd)
{
	return (fdtab_peek(fd) & FDTAB_PLUGGED) != 0;
}

void goodbye_fd(int fd)
{
	conn_ref struct conn *c =
		is_plugged(fd) ? descriptor_get_plugged(fd) : NULL;

	/* What a child of vfork() closes its parent still has. */
	if (c && !keeper_is_guest())
		goodbye_number(c);
}

void goodbye_given(int fd)
{
	conn_ref struct conn *c =
		is_plugged(fd) ? descriptor_get_plugged(fd) : NULL;

	if (c)
		say(c);
}

/* ---- all numbers ---- */

static bool is_inheritable(int fd)
{
	int flags = real(fcntl)(fd, F_GETFD);

	return flags >= 0 && !(flags & FD_CLOEXEC);
}

static bool say_any(int fd, uintptr_t cell, void *arg)
{
	(void)arg;
	if (cell & FDTAB_PLUGGED)
		goodbye_given(fd);
	return true;
}

static bool say_inheritable(int fd, uintptr_t cell, void *arg)
{
	(void)arg;
	if ((cell & FDTAB_PLUGGED) && is_inheritable(fd))
		goodbye_given(fd);
	return true;
}

/* A helper of the program's is a copy that execs: what is close-on-exec it
 * only does not take along. */
static bool say_at_exec(int fd, uintptr_t cell, void *arg)
{
	struct conn *c = (struct conn *)(cell & ~FDTAB_TAGS);

	(void)arg;
	if ((cell & FDTAB_PLUGGED) && (conn_is_ours(c) || is_inheritable(fd)))
		goodbye_given(fd);
	return true;
}

static void each(bool (*visit)(int fd, uintptr_t cell, void *arg))
{
	int saved_errno;

	if (!fdtab_is_used())
		return;
	saved_errno = errno;
	fdtab_each(0, FDTAB_MAX - 1, visit, NULL);
	errno = saved_errno;
}

void goodbye_inheritable(void)
{
	each(say_inheritable);
}

void goodbye_before_exec(void)
{
	each(keeper_is_guest() ? say_inheritable : say_at_exec);
}

void goodbye_all(void)
{
	if (!keeper_is_guest())
		each(say_any);
}
