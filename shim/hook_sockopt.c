/* SPDX-License-Identifier: MIT */
/*
 * libc's names for what a socket is asked and told: options, ioctl, addresses.
 */
#include "hook.h"

#include <errno.h>
#include <stdarg.h>
#include "plug.h"
#include "sockopt.h"

/* One that was handed over still has its addresses. */
static struct conn *get_named(int fd)
{
	struct conn *c = fdtab_get(fd);

	return c ? c : fdtab_get_plugged(fd);
}

HOOK int getpeername(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
	conn_ref struct conn *c = get_named(fd);

	if (!c)
		return real(getpeername)(fd, addr, len);
	return sockopt_peer(c, addr.__sockaddr__, len);
}

HOOK int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
	conn_ref struct conn *c = get_named(fd);

	if (!c)
		return real(getsockname)(fd, addr, len);
	return sockopt_self(c, addr.__sockaddr__, len);
}

HOOK int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	conn_ref struct conn *c = fdtab_get(fd);

	if (!c)
		return real(getsockopt)(fd, level, name, value, len);
	return plug_standard(sockopt_get(c, fd, level, name, value, len));
}

HOOK int setsockopt(
	int fd, int level, int name, const void *value, socklen_t len)
{
	conn_ref struct conn *c = fdtab_get(fd);

	if (!c)
		return real(setsockopt)(fd, level, name, value, len);
	return sockopt_set(c, fd, level, name, value, len);
}

HOOK int ioctl(int fd, unsigned long request, ...)
{
	conn_ref struct conn *c = fdtab_get(fd);
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!c)
		return real(ioctl)(fd, request, arg);
	return sockopt_ioctl(c, fd, request, arg);
}
