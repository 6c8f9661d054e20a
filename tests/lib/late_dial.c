/* SPDX-License-Identifier: MIT */
/*
 * Stands behind libtlsshim.so in the preload list: an Internet connect() does
 * not begin until the shim has looked at a socket by poll(), that is, until
 * another thread has used the connection.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#define PATIENCE_S 10

static atomic_uint looks;

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	__typeof__(poll) *next = dlsym(RTLD_NEXT, "poll");
	int r = next(fds, n, timeout);

	looks++;
	return r;
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	__typeof__(connect) *next = dlsym(RTLD_NEXT, "connect");
	const struct timespec nap = {.tv_nsec = 1000000};
	unsigned before = looks;

	if (addr->sa_family != AF_INET && addr->sa_family != AF_INET6)
		return next(fd, addr, len);
	for (int i = 0; i < PATIENCE_S * 1000 && looks == before; i++)
		nanosleep(&nap, NULL);
	return next(fd, addr, len);
}
