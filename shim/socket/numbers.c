/* SPDX-License-Identifier: MIT */
/*
 * Descriptor numbers as the program closes, copies and reuses them.  Knows
 * the table; of connections only that numbers hold them.
 */
#include "socket/numbers.h"

#include <errno.h>
#include <limits.h>
#include "base/fail.h"
#include "base/fdtab.h"
#include "base/keeper.h"
#include "base/real.h"
#include "config/config.h"
#include "conn/conn.h"
#include "conn/descriptors.h"
#include "event/epollset.h"
#include "handoff/goodbye.h"
#include "handoff/origin.h"
#include "handoff/plug.h"
#include "handoff/quiesce.h"

/* What the number named is ended after the number is closed, so that nobody
 * finds a connection under a number that is free. */
static void let_go(struct conn *c)
{
	if (!c)
		return;
	/* In a copy of the process only those that a relay has. */
	if (conn_is_ours(c) || c->state == CONN_PLUGGED)
		conn_number_put(c);
	else
		quiesce_disown();
}

int numbers_close(int fd)
{
	struct conn *c;
	int r;

	if (fdtab_is_hidden(fd))
		return fail(EBADF);
	if (keeper_is_borrowed())
		return real(close)(fd);
	epollset_closed(fd);
	c = descriptor_take(fd);
	if (c)
		goodbye_number(c);
	r = real(close)(fd);
	let_go(c);
	return r;
}

struct conn *numbers_closing(int fd)
{
	struct conn *c = NULL;

	if (fdtab_peek(fd) > FDTAB_NOTES && !fdtab_is_hidden(fd) &&
		!keeper_is_borrowed())
		c = descriptor_take(fd);
	if (c)
		goodbye_number(c);
	return c;
}

void numbers_closed(struct conn *c)
{
	int saved_errno = errno;

	let_go(c);
	errno = saved_errno;
}

/* ---- ranges ---- */

struct range {
	unsigned first; /* not closed yet */
	int flags;
	int result;
};

static void close_up_to(struct range *range, unsigned last)
{
	if (range->first > last)
		return;
	if (real(close_range)(range->first, last, range->flags) < 0)
		range->result = -1;
}

/* Ends connections in the range, and closes what lies before a hidden one. */
static bool visit(int fd, uintptr_t cell, void *arg)
{
	struct range *range = arg;

	if (cell & FDTAB_HIDDEN) {
		if (fd > 0)
			close_up_to(range, (unsigned)fd - 1);
		range->first = (unsigned)fd + 1;
	} else if (cell <= FDTAB_NOTES) {
		fdtab_unnote(fd, FDTAB_SETTLED);
	} else if (!(range->flags & (int)CLOSE_RANGE_CLOEXEC) &&
		   !keeper_is_borrowed()) {
		goodbye_fd(fd);
		epollset_closed(fd);
		let_go(descriptor_take(fd));
	}
	return true;
}

/* close_range(2): with any other the call fails. */
#define KNOWN_FLAGS (int)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)

int numbers_close_range(unsigned first, unsigned last, int flags)
{
	struct range range = {first, flags, 0};

	/* Nothing is closed by a call that fails. */
	if (first > last || flags & ~KNOWN_FLAGS)
		return fail(EINVAL);
	fdtab_each(first, last, visit, &range);
	close_up_to(&range, last);
	return range.result;
}

/* ---- new numbers ---- */

int numbers_fresh(int fd)
{
	fdtab_unnote(fd, FDTAB_SETTLED | FDTAB_SET);
	if (fd < 0 || fdtab_peek(fd) <= FDTAB_NOTES || keeper_is_borrowed())
		return fd;
	if (fdtab_is_shown(fd))
		/* proxychains puts a socket of its own in the place of the one
		 * that it is to connect: it is ours as that was. */
		real(fcntl)(fd, F_SETFD, FD_CLOEXEC);
	if (fdtab_peek(fd) & FDTAB_HIDDEN)
		return fd;
	epollset_closed(fd);
	let_go(descriptor_take(fd));
	return fd;
}

/* A copy of a number that was handed over has its addresses, too. */
static bool copy_plugged(int from, int to)
{
	struct conn *c = descriptor_get_plugged(from);

	if (!c)
		return false;
	if (!keeper_is_borrowed() && fdtab_reserve(to)) {
		descriptor_set(to, c);
		descriptor_plug(to, c);
	}
	conn_put(c);
	return true;
}

int numbers_copied(int from, int to)
{
	struct conn *c;

	if (to < 0 || from == to)
		return to;
	c = descriptor_get(from);
	if (!c && copy_plugged(from, to))
		return to;
	if (!c || c == &conn_hidden) {
		numbers_fresh(to);
		if ((fdtab_epoll(from) || fdtab_has_note(from, FDTAB_SET)) &&
			!keeper_is_borrowed())
			epollset_copied(from, to);
		/* It may be a socket that is connected later. */
		if (config_active()) {
			fdtab_note(from, FDTAB_MARKED);
			fdtab_note(to, FDTAB_MARKED);
			origin_copied(from, to);
		}
		return to;
	}
	/* Standard input and output are for stdio and for other programs, and
	 * so is what a child of vfork() makes. */
	if (keeper_is_borrowed())
		plug_fd(from);
	else if (fdtab_reserve(to))
		descriptor_set(to, c);
	if (to <= STDERR_FILENO)
		plug_fd(from);
	conn_put(c);
	return to;
}

void numbers_make_way(int fd)
{
	goodbye_fd(fd);
	if (fdtab_is_hidden(fd) && !keeper_is_borrowed())
		conn_move_real(fd);
}
