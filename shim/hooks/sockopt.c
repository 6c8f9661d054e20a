/* SPDX-License-Identifier: MIT */
/*
 * libc's names for what a socket is asked and told: options, ioctl, addresses.
 */
#include "hooks/hook.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "conn/descriptors.h"
#include "handoff/peers.h"
#include "handoff/plug.h"
#include "socket/sockopt.h"

/* One that was handed over still has its addresses. */
static struct conn *get_named(int fd)
{
	struct conn *c = descriptor_get(fd);

	return c ? c : descriptor_get_plugged(fd);
}

HOOK int getpeername(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
	conn_ref struct conn *c = get_named(fd);

	if (!c)
		return peers_peer(fd, addr.__sockaddr__, len);
	return ERRNO_KEPT(sockopt_peer(c, fd, addr.__sockaddr__, len));
}

HOOK int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
	conn_ref struct conn *c = get_named(fd);

	if (!c)
		return peers_self(fd, addr.__sockaddr__, len);
	return ERRNO_KEPT(sockopt_self(c, fd, addr.__sockaddr__, len));
}

/* SO_PEERNAME: getpeername() by another name, of a given length. */
static int get_peer_option(int fd, void *value, socklen_t *len)
{
	union policy_addr peer;
	socklen_t have = sizeof(peer);

	if (getpeername(fd, &peer.any, &have) < 0)
		return -1;
	if (*len > have)
		return fail(EINVAL);
	memcpy(value, &peer, *len);
	return 0;
}

static bool is_named(int fd)
{
	return fdtab_peek(fd) > FDTAB_NOTES || peers_has(fd);
}

HOOK int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	conn_ref struct conn *c = descriptor_get(fd);

	if (level == SOL_SOCKET && name == SO_PEERNAME && is_named(fd))
		return get_peer_option(fd, value, len);
	if (!c)
		return real(getsockopt)(fd, level, name, value, len);
	return ERRNO_KEPT(
		plug_standard(sockopt_get(c, fd, level, name, value, len)));
}

HOOK int setsockopt(
	int fd, int level, int name, const void *value, socklen_t len)
{
	conn_ref struct conn *c = get_named(fd);
	int r;

	if (!c) {
		r = real(setsockopt)(fd, level, name, value, len);
		if (r == 0)
			peers_tell(fd, level, name, value, len);
		return r;
	}
	if (fdtab_peek(fd) & FDTAB_PLUGGED)
		return ERRNO_KEPT(
			sockopt_set_plugged(c, fd, level, name, value, len));
	return ERRNO_KEPT(sockopt_set(c, fd, level, name, value, len));
}

HOOK int ioctl(int fd, unsigned long request, ...)
{
	conn_ref struct conn *c = descriptor_get(fd);
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!c)
		return real(ioctl)(fd, request, arg);
	return ERRNO_KEPT(sockopt_ioctl(c, fd, request, arg));
}
