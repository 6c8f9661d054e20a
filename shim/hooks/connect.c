/* SPDX-License-Identifier: MIT */
/*
 * libc's names for opening and ending: connect, shutdown, close and the calls
 * that close many.
 */
#include "hooks/hook.h"

#include <errno.h>
#include <limits.h>
#include "base/keeper.h"
#include "base/user_memory.h"
#include "config/config.h"
#include "conn/descriptors.h"
#include "connect/dial.h"
#include "handoff/goodbye.h"
#include "handoff/plug.h"
#include "socket/io.h"
#include "socket/numbers.h"
#include "socket/sockopt.h"

/* The kernel says EFAULT of an address that is no memory, where a look of ours
 * would crash.  Without settings, and where the length is nonsense, nobody of
 * ours looks. */
static bool may_be_looked_at(const struct sockaddr *addr, socklen_t len)
{
	return !addr || len > sizeof(struct sockaddr_storage) ||
	       !config_active() || user_memory_is_readable(addr, len);
}

HOOK int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	conn_ref struct conn *c = descriptor_get(fd);
	const struct sockaddr *to = addr.__sockaddr__;

	if (!may_be_looked_at(to, len))
		return fail(EFAULT);
	if (c && to && len >= sizeof(to->sa_family) &&
		len <= sizeof(struct sockaddr_storage))
		return ERRNO_KEPT(plug_standard(dial_again(c, fd, to)));
	fdtab_unnote(fd, FDTAB_SETTLED); /* AF_UNSPEC disconnects */
	if (c || !config_active())
		return real(connect)(fd, addr, len);
	return ERRNO_KEPT(plug_standard(
		dial_connect(fd, to, len, __builtin_return_address(0))));
}
HOOK_ALIAS(__connect, connect);

HOOK int shutdown(int fd, int how)
{
	conn_ref struct conn *c = descriptor_get(fd);

	if (c)
		return ERRNO_KEPT(io_shutdown(c, fd, how));
	if (how != SHUT_RD)
		goodbye_given(fd);
	return real(shutdown)(fd, how);
}

/* A connection has its address, and the kernel says so of the real socket; the
 * placeholder would take another. */
HOOK int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	conn_ref struct conn *c = descriptor_get(fd);

	if (!c)
		return real(bind)(fd, addr, len);
	return ERRNO_KEPT(sockopt_bind(c, fd, addr.__sockaddr__, len));
}

/* A socket that connects, or has connected, cannot listen: listen(2). */
HOOK int listen(int fd, int backlog)
{
	uintptr_t cell = fdtab_peek(fd);

	if (fdtab_is_hidden(fd))
		return fail(EBADF);
	return fdtab_is_number(cell) ? fail(EINVAL) : real(listen)(fd, backlog);
}

HOOK int close(int fd)
{
	if (__builtin_expect(atomic_load(&conn_left_open) != 0, 0))
		conn_close_left();
	fdtab_unnote(fd, FDTAB_SETTLED);
	if (fdtab_peek(fd) <= FDTAB_NOTES)
		return real(close)(fd);
	return numbers_close(fd);
}
HOOK_ALIAS(__close, close);

HOOK int close_range(unsigned first, unsigned last, int flags)
{
	if (!fdtab_is_used())
		return real(close_range)(first, last, flags);
	return numbers_close_range(first, last, flags);
}

HOOK void closefrom(int first)
{
	if (!fdtab_is_used())
		real(closefrom)(first);
	else
		numbers_close_range(
			first > 0 ? (unsigned)first : 0, UINT_MAX, 0);
}
