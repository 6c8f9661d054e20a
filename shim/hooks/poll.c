/* SPDX-License-Identifier: MIT */
/*
 * libc's names for readiness: the poll and select families.
 *
 * A call that slept without our help decides again, unless it failed: another
 * thread may have connected one of its descriptors meanwhile.
 */
#include "hooks/hook.h"

#include <errno.h>
#include "base/clock.h"
#include "config/config.h"
#include "conn/wait.h"
#include "event/pollset.h"
#include "handoff/plug.h"

HOOK int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
	const sigset_t *mask)
{
	int64_t deadline;
	int r;

	if (!config_active() || !wait_is_valid(timeout))
		return real(ppoll)(fds, n, timeout, mask);
	if (pollset_has_conns(fds, n))
		return ERRNO_KEPT(plug_standard(
			pollset_poll(fds, n, wait_until(timeout), mask)));
	deadline = wait_until(timeout);
	r = real(ppoll)(fds, n, timeout, mask);
	if (r < 0 || !pollset_has_conns(fds, n))
		return r;
	return ERRNO_KEPT(plug_standard(pollset_poll(fds, n, deadline, mask)));
}

HOOK int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	int64_t deadline;
	int r;

	if (!config_active())
		return real(poll)(fds, n, timeout);
	deadline = timeout ? wait_until_ms(timeout) : 0;
	if (!pollset_has_conns(fds, n)) {
		r = real(poll)(fds, n, timeout);
		if (r < 0 || timeout == 0 || !pollset_has_conns(fds, n))
			return r;
	}
	return ERRNO_KEPT(plug_standard(pollset_poll(fds, n, deadline, NULL)));
}
HOOK_ALIAS(__poll, poll);

HOOK int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room)
{
	if (room / sizeof(*fds) < n)
		return real(__poll_chk)(fds, n, timeout, room);
	return poll(fds, n, timeout);
}

HOOK int __ppoll_chk(struct pollfd *fds, nfds_t n,
	const struct timespec *timeout, const sigset_t *mask, size_t room)
{
	if (room / sizeof(*fds) < n)
		return real(__ppoll_chk)(fds, n, timeout, mask, room);
	return ppoll(fds, n, timeout, mask);
}

static bool has_conns(int n, const fd_set *r, const fd_set *w, const fd_set *e)
{
	return pollset_fdset_has_conns(n, r) || pollset_fdset_has_conns(n, w) ||
	       pollset_fdset_has_conns(n, e);
}

HOOK int pselect(int n, fd_set *r, fd_set *w, fd_set *e,
	const struct timespec *timeout, const sigset_t *mask)
{
	n = pollset_clip(n);
	if (!has_conns(n, r, w, e) || !wait_is_valid(timeout))
		return real(pselect)(n, r, w, e, timeout, mask);
	return ERRNO_KEPT(plug_standard(
		pollset_select(n, r, w, e, wait_until(timeout), mask)));
}

/* Linux leaves in *timeout what was not slept: select(2), NOTES. */
static void leave_rest(struct timeval *timeout, int64_t deadline)
{
	int64_t left = deadline - clock_now();

	if (left < 0)
		left = 0;
	timeout->tv_sec = left / 1000000000;
	timeout->tv_usec = left % 1000000000 / 1000;
}

HOOK int select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
	int64_t deadline = WAIT_FOREVER;
	int result;

	n = pollset_clip(n);
	if (!has_conns(n, r, w, e))
		return real(select)(n, r, w, e, timeout);
	if (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0))
		return fail(EINVAL);
	if (timeout)
		deadline = clock_now() + timeout->tv_sec * 1000000000LL +
			   timeout->tv_usec * 1000LL;
	result = plug_standard(pollset_select(n, r, w, e, deadline, NULL));
	if (timeout)
		leave_rest(timeout, deadline);
	return result;
}
HOOK_ALIAS(__select, select);
