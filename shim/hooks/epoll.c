/* SPDX-License-Identifier: MIT */
/*
 * libc's names for epoll.
 *
 * A thread may already sleep in epoll_wait() when another puts the first
 * connection into the set: what comes back is looked at in any case.
 */
#include "hooks/hook.h"

#include <errno.h>
#include <sys/single_threaded.h>
#include "base/user_memory.h"
#include "config/config.h"
#include "conn/descriptors.h"
#include "conn/wait.h"
#include "event/epollset.h"
#include "event/watch.h"
#include "handoff/plug.h"

/* What may be ours later is noted, and forgotten. */
static bool is_news(int epfd, int op, int fd)
{
	if (op == EPOLL_CTL_DEL)
		return fdtab_epoll(epfd) != NULL;
	return !fdtab_has_note(fd, FDTAB_SETTLED) && config_active();
}

HOOK int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	conn_ref struct conn *c = descriptor_get(fd);
	int r;

	if (c)
		return ERRNO_KEPT(epollset_control(c, epfd, op, fd, event));
	if (fdtab_is_hidden(epfd))
		return fail(EBADF);
	r = real(epoll_ctl)(epfd, op, fd, event);
	if (r == 0 && is_news(epfd, op, fd))
		epollset_note(epfd, op, fd, event);
	return r;
}

static int after(int r, struct epoll_event *events)
{
	return r > 0 && epollset_is_used() ? epollset_translate(events, r) : r;
}

/* Has the set connections in it? */
static bool is_ours(int epfd, int max)
{
	return fdtab_epoll(epfd) && max > 0;
}

static int wait_ours(int epfd, struct epoll_event *events, int max,
	const struct epollset_until *until)
{
	return ERRNO_KEPT(
		plug_standard(epollset_wait(epfd, events, max, until)));
}

/* A wait that was begun without us and came back with nothing for the
 * program goes on until its deadline. */
static int wait_on(int epfd, struct epoll_event *events, int max,
	const struct epollset_until *until, int r)
{
	int told = after(r, events);

	if (told || r < 0)
		return told;
	/* All of it was for another process that has the set. */
	if (r > 0)
		epollset_know(epfd);
	return is_ours(epfd, max) ? wait_ours(epfd, events, max, until) : 0;
}

/* Is there nothing to translate, and nobody who could put a connection into a
 * set while its only thread sleeps? */
static bool is_plain(void)
{
	return !config_active() ||
	       (!epollset_is_used() && __libc_single_threaded);
}

/* Another thread may put a connection into the set while this one sleeps:
 * counted before the set is looked up.  A lone thread puts none. */
static bool begin_strange_wait(void)
{
	if (__libc_single_threaded)
		return false;
	atomic_fetch_add(&watch_strangers, 1);
	return true;
}

static void end_strange_wait(const bool *counted)
{
	if (*counted)
		atomic_fetch_sub(&watch_strangers, 1);
}
#define strange_wait __attribute__((cleanup(end_strange_wait), unused)) bool

HOOK int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout,
	const sigset_t *mask)
{
	struct epollset_until until = {.mask = mask};
	int r;

	if (is_plain())
		return real(epoll_pwait)(epfd, events, max, timeout, mask);
	until.deadline = wait_until_ms(timeout);
	if (is_ours(epfd, max))
		return wait_ours(epfd, events, max, &until);
	{
		strange_wait counted = begin_strange_wait();

		/* It may have become ours just before we were counted. */
		if (is_ours(epfd, max))
			timeout = 0;
		r = real(epoll_pwait)(epfd, events, max, timeout, mask);
	}
	return wait_on(epfd, events, max, &until, r);
}

HOOK int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	if (is_plain())
		return real(epoll_wait)(epfd, events, max, timeout);
	return epoll_pwait(epfd, events, max, timeout, NULL);
}

HOOK int epoll_pwait2(int epfd, struct epoll_event *events, int max,
	const struct timespec *timeout, const sigset_t *mask)
{
	static const struct timespec none;
	struct epollset_until until = {.mask = mask, .in_ns = true};
	int r;

	if (is_plain() || (timeout && !user_memory_is_readable(
					      timeout, sizeof(*timeout))))
		return real(epoll_pwait2)(epfd, events, max, timeout, mask);
	until.deadline = wait_until(timeout);
	if (is_ours(epfd, max))
		return wait_ours(epfd, events, max, &until);
	{
		strange_wait counted = begin_strange_wait();

		if (is_ours(epfd, max))
			timeout = &none;
		r = real(epoll_pwait2)(epfd, events, max, timeout, mask);
	}
	return wait_on(epfd, events, max, &until, r);
}
