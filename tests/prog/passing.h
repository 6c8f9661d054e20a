/* SPDX-License-Identifier: MIT */
/*
 * Descriptors in a message between processes: SCM_RIGHTS in unix(7).
 */
#ifndef PASSING_H
#define PASSING_H

#include <string.h>
#include <sys/socket.h>

#define PASSED_MAX 8

/* Returns what sendmsg(2) does. */
static inline long pass_fds(int to, const int *fds, size_t n)
{
	char byte = 'x', room[CMSG_SPACE(PASSED_MAX * sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return sendmsg(to, &msg, 0);
}

/* Returns what recvmsg(2) does; with 1 they are there. */
static inline long receive_fds(int from, int *fds, size_t n)
{
	char byte, room[CMSG_SPACE(PASSED_MAX * sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = CMSG_SPACE(n * sizeof(int))};
	long got = recvmsg(from, &msg, 0);

	if (got == 1)
		memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), n * sizeof(int));
	return got;
}

#endif
