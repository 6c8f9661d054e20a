/* SPDX-License-Identifier: MIT */
/*
 * libc's names for opening and ending: connect, shutdown, close and the calls
 * that close many.
 */
#include "hook.h"

#include <errno.h>
#include <limits.h>
#include "config.h"
#include "dial.h"
#include "io.h"
#include "keeper.h"
#include "numbers.h"
#include "plug.h"

HOOK int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	conn_ref struct conn *c = fdtab_get(fd);
	const struct sockaddr *to = addr.__sockaddr__;

	if (c && to && len >= sizeof(to->sa_family) &&
		len <= sizeof(struct sockaddr_storage))
		return plug_standard(dial_again(c, fd, to));
	fdtab_unnote(fd, FDTAB_SETTLED); /* AF_UNSPEC disconnects */
	if (c || !config_active())
		return real(connect)(fd, addr, len);
	return plug_standard(dial_connect(fd, to, len));
}
HOOK_ALIAS(__connect, connect);

HOOK int shutdown(int fd, int how)
{
	conn_ref struct conn *c = fdtab_get(fd);

	return c ? io_shutdown(c, fd, how) : real(shutdown)(fd, how);
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
