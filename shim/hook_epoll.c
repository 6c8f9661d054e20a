/* SPDX-License-Identifier: MIT */
/*
 * libc's names for epoll.
 *
 * A thread may already sleep in epoll_wait() when another puts the first
 * connection into the set: what comes back is looked at in any case.
 */
#include "hook.h"

#include <errno.h>
#include "config.h"
#include "epollset.h"
#include "plug.h"
#include "wait.h"

HOOK int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	conn_ref struct conn *c = fdtab_get(fd);
	int r;

	if (c)
		return epollset_control(c, epfd, op, fd, event);
	if (fdtab_is_hidden(epfd)) {
		errno = EBADF;
		return -1;
	}
	r = real(epoll_ctl)(epfd, op, fd, event);
	if (r == 0 && config_active())
		epollset_note(epfd, op, fd, event);
	return r;
}

static int after(int r, struct epoll_event *events)
{
	return r > 0 && epollset_is_used() ? epollset_translate(events, r) : r;
}

static int64_t deadline_ms(int timeout)
{
	return timeout < 0 ? WAIT_FOREVER : conn_now() + timeout * 1000000LL;
}

/* A wait that was begun without us and came back with nothing for the
 * program goes on. */
static int wait_on(int epfd, struct epoll_event *events, int max,
	int64_t deadline, const sigset_t *mask, int r)
{
	int told = after(r, events);

	if (told || r <= 0 || !fdtab_epoll(epfd))
		return told;
	return plug_standard(epollset_wait(epfd, events, max, deadline, mask));
}

HOOK int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout,
	const sigset_t *mask)
{
	int64_t deadline;

	if (!config_active())
		return real(epoll_pwait)(epfd, events, max, timeout, mask);
	deadline = deadline_ms(timeout);
	if (fdtab_epoll(epfd) && max > 0)
		return plug_standard(
			epollset_wait(epfd, events, max, deadline, mask));
	return wait_on(epfd, events, max, deadline, mask,
		real(epoll_pwait)(epfd, events, max, timeout, mask));
}

HOOK int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	if (!config_active())
		return real(epoll_wait)(epfd, events, max, timeout);
	return epoll_pwait(epfd, events, max, timeout, NULL);
}

HOOK int epoll_pwait2(int epfd, struct epoll_event *events, int max,
	const struct timespec *timeout, const sigset_t *mask)
{
	int64_t deadline = WAIT_FOREVER;

	if (timeout)
		deadline = conn_now() + timeout->tv_sec * 1000000000LL +
			   timeout->tv_nsec;
	if (fdtab_epoll(epfd) && max > 0)
		return plug_standard(
			epollset_wait(epfd, events, max, deadline, mask));
	return wait_on(epfd, events, max, deadline, mask,
		real(epoll_pwait2)(epfd, events, max, timeout, mask));
}
