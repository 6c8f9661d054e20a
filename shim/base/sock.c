/* SPDX-License-Identifier: MIT */
/*
 * System calls for those who want one answer.
 */
#include "base/sock.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "base/real.h"

/* Newer than the libc headers of some supported systems. */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int sock_int(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return real(getsockopt)(fd, level, name, &value, &len) == 0 ? value
								    : -1;
}

static uint64_t number(int fd, int name)
{
	uint64_t value = 0;
	socklen_t len = sizeof(value);
	int saved_errno = errno;

	if (real(getsockopt)(fd, SOL_SOCKET, name, &value, &len) < 0)
		value = 0;
	errno = saved_errno;
	return value;
}

uint64_t sock_cookie(int fd)
{
	return number(fd, SO_COOKIE);
}

bool sock_same_network(int a, int b)
{
	return number(a, SO_NETNS_COOKIE) == number(b, SO_NETNS_COOKIE);
}

int sock_tcp_state(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return real(getsockopt)(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0
		       ? info.tcpi_state
		       : -1;
}

int sock_unsent(int fd)
{
	int bytes = 0;

	return real(ioctl)(fd, SIOCOUTQ, &bytes) < 0 ? 0 : bytes;
}

void sock_drain(int fd)
{
	char scratch[4096];

	for (int i = 0; i < 64; i++)
		if (real(recv)(fd, scratch, sizeof(scratch), MSG_DONTWAIT) <= 0)
			return;
}
