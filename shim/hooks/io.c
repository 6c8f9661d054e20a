/* SPDX-License-Identifier: MIT */
/*
 * libc's names for data: the read, recv, write and send families, their
 * fortified and 64-bit twins, sendfile and splice.
 */
#include "hooks/hook.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include "base/clock.h"
#include "base/user_memory.h"
#include "config/config.h"
#include "conn/descriptors.h"
#include "conn/wait.h"
#include "connect/dial.h"
#include "handoff/origin.h"
#include "handoff/plug.h"
#include "socket/io.h"

/* readv(2), writev(2): a count or a sum that the kernel does not take. */
static bool is_bad_iov(const struct iovec *iov, int n)
{
	size_t sum = 0;

	if (n < 0 || n > IOV_MAX)
		return true;
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len > SSIZE_MAX - sum)
			return true;
		sum += iov[i].iov_len;
	}
	return false;
}

/* Linux's MAX_RW_COUNT: recv(2) and send(2) move no more at once, and take no
 * offence at a length that is nonsense; read(2) and write(2) do. */
static size_t clip(size_t len)
{
	const size_t most = INT_MAX & ~4095u;

	return len < most ? len : most;
}

/* ---- reading ---- */

HOOK ssize_t read(int fd, void *buf, size_t len)
{
	conn_ref struct conn *c = descriptor_get(fd);

	if (!c)
		return real(read)(fd, buf, len);
	if (len > SSIZE_MAX)
		return fail(EFAULT);
	return ERRNO_KEPT(io_read(c, fd, &(struct iovec){buf, len}, 1));
}
HOOK_ALIAS(__read, read);

HOOK ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	/* Too little room: libc's own version says so and aborts. */
	if (len > room || fdtab_peek(fd) <= FDTAB_NOTES)
		return real(__read_chk)(fd, buf, len, room);
	return read(fd, buf, len);
}

HOOK ssize_t readv(int fd, const struct iovec *iov, int n)
{
	conn_ref struct conn *c = descriptor_get(fd);

	if (!c)
		return real(readv)(fd, iov, n);
	if (is_bad_iov(iov, n))
		return fail(EINVAL);
	return ERRNO_KEPT(io_read(c, fd, iov, n));
}

/* With an offset of -1 these are readv(2) and writev(2) with flags. */
#define HOOK_WITH_FLAGS(name, of_ours)                                         \
	HOOK ssize_t name(int fd, const struct iovec *iov, int n,              \
		off64_t offset, int flags)                                     \
	{                                                                      \
		conn_ref struct conn *c = descriptor_get(fd);                  \
                                                                               \
		if (!c)                                                        \
			return real(name)(fd, iov, n, offset, flags);          \
		return of_ours(c, fd, iov, n, offset, flags);                  \
	}

/* Those that the kernel takes for a socket; most of them mean something for
 * files alone. */
#define RWF_OF_SOCKETS                                                         \
	(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND)

/* Why preadv2(2) or pwritev2(2) fails on a socket, or 0. */
static int wrong_with_flags(
	const struct iovec *iov, int n, off64_t offset, int flags)
{
	if (offset != -1)
		return ESPIPE;
	if (is_bad_iov(iov, n))
		return EINVAL;
	return flags & ~RWF_OF_SOCKETS ? EOPNOTSUPP : 0;
}

static ssize_t read_with_flags(struct conn *c, int fd, const struct iovec *iov,
	int n, off64_t offset, int flags)
{
	int err = wrong_with_flags(iov, n, offset, flags);

	if (err)
		return fail(err);
	return ERRNO_KEPT(io_recv(
		c, fd, iov, n, (flags & RWF_NOWAIT) ? MSG_DONTWAIT : 0));
}

HOOK_WITH_FLAGS(preadv2, read_with_flags)
HOOK_WITH_FLAGS(preadv64v2, read_with_flags)

HOOK ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	conn_ref struct conn *c = descriptor_get(fd);

	if (!c)
		return real(recv)(fd, buf, len, flags);
	return ERRNO_KEPT(
		io_recv(c, fd, &(struct iovec){buf, clip(len)}, 1, flags));
}

HOOK ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	if (len > room || fdtab_peek(fd) <= FDTAB_NOTES)
		return real(__recv_chk)(fd, buf, len, room, flags);
	return recv(fd, buf, len, flags);
}

HOOK ssize_t recvfrom(int fd, void *buf, size_t len, int flags,
	__SOCKADDR_ARG addr, socklen_t *addrlen)
{
	conn_ref struct conn *c = descriptor_get(fd);
	ssize_t got;

	if (!c)
		return real(recvfrom)(fd, buf, len, flags, addr, addrlen);
	got = ERRNO_KEPT(
		io_recv(c, fd, &(struct iovec){buf, clip(len)}, 1, flags));
	/* A stream has no source address: tcp(7). */
	if (got >= 0 && addr.__sockaddr__ && addrlen)
		*addrlen = 0;
	return got;
}

HOOK ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room,
	int flags, struct sockaddr *addr, socklen_t *addrlen)
{
	if (len > room || fdtab_peek(fd) <= FDTAB_NOTES)
		return real(__recvfrom_chk)(
			fd, buf, len, room, flags, addr, addrlen);
	return recvfrom(fd, buf, len, flags, addr, addrlen);
}

static ssize_t recv_message(
	struct conn *c, int fd, struct msghdr *msg, int flags)
{
	ssize_t got;

	if (msg->msg_iovlen > IOV_MAX)
		return fail(EMSGSIZE);
	got = io_recv(c, fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
	if (got < 0)
		return got;
	msg->msg_namelen = 0;
	msg->msg_controllen = 0;
	msg->msg_flags = flags & MSG_CMSG_CLOEXEC;
	return got;
}

/* Sockets that were passed on (SCM_RIGHTS) others have as well. */
static void note_received(const struct msghdr *msg)
{
	struct msghdr copy = *msg;

	if (!copy.msg_controllen || !config_active())
		return;
	for (struct cmsghdr *m = CMSG_FIRSTHDR(&copy); m;
		m = CMSG_NXTHDR(&copy, m)) {
		int got;

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(got) <= m->cmsg_len;
			at += sizeof(got)) {
			memcpy(&got, (char *)m + at, sizeof(got));
			origin_received(got);
		}
	}
}

HOOK ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	conn_ref struct conn *c = descriptor_get(fd);
	ssize_t got;

	if (c && !user_memory_is_absurd(msg))
		return ERRNO_KEPT(recv_message(c, fd, msg, flags));
	got = real(recvmsg)(fd, msg, flags);
	if (got >= 0)
		note_received(msg);
	return got;
}

/* recvmmsg(2): the timeout is looked at after each message only (BUGS). */
HOOK int recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
	struct timespec *timeout)
{
	conn_ref struct conn *c = descriptor_get(fd);
	int64_t end;
	unsigned i;

	if (!c) {
		int got = real(recvmmsg)(fd, msgs, n, flags, timeout);

		for (int j = 0; j < got; j++)
			note_received(&msgs[j].msg_hdr);
		return got;
	}
	if (!wait_is_valid(timeout))
		return fail(EINVAL);
	end = wait_until(timeout);
	for (i = 0; i < n; i++) {
		ssize_t got = ERRNO_KEPT(recv_message(
			c, fd, &msgs[i].msg_hdr, flags & ~MSG_WAITFORONE));

		if (got < 0)
			return i ? (int)i : -1;
		msgs[i].msg_len = (unsigned)got;
		if (end != WAIT_FOREVER && clock_now() >= end)
			return (int)i + 1;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
	}
	return (int)i;
}

/* ---- writing ---- */

HOOK ssize_t write(int fd, const void *buf, size_t len)
{
	conn_ref struct conn *c = descriptor_get(fd);

	if (!c)
		return real(write)(fd, buf, len);
	if (len > SSIZE_MAX)
		return fail(EFAULT);
	return ERRNO_KEPT(io_send(
		c, fd, &(struct iovec){(void *)(uintptr_t)buf, len}, 1, 0));
}
HOOK_ALIAS(__write, write);

HOOK ssize_t writev(int fd, const struct iovec *iov, int n)
{
	conn_ref struct conn *c = descriptor_get(fd);

	if (!c)
		return real(writev)(fd, iov, n);
	if (is_bad_iov(iov, n))
		return fail(EINVAL);
	return ERRNO_KEPT(io_send(c, fd, iov, n, 0));
}

static ssize_t write_with_flags(struct conn *c, int fd, const struct iovec *iov,
	int n, off64_t offset, int flags)
{
	int err = wrong_with_flags(iov, n, offset, flags);

	if (err)
		return fail(err);
	return ERRNO_KEPT(io_send(
		c, fd, iov, n, (flags & RWF_NOWAIT) ? MSG_DONTWAIT : 0));
}

HOOK_WITH_FLAGS(pwritev2, write_with_flags)
HOOK_WITH_FLAGS(pwritev64v2, write_with_flags)

HOOK ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	conn_ref struct conn *c = descriptor_get(fd);

	if (!c)
		return real(send)(fd, buf, len, flags);
	return ERRNO_KEPT(io_send(c, fd,
		&(struct iovec){(void *)(uintptr_t)buf, clip(len)}, 1, flags));
}
HOOK_ALIAS(__send, send);

/*
 * TCP fast open: data that opens its own connection (MSG_FASTOPEN).  Without
 * a cookie the kernel answers EINPROGRESS and takes no data: so do we.
 */
static ssize_t send_opening(int fd, const struct sockaddr *addr, socklen_t len,
	const struct iovec *iov, int n, int flags)
{
	conn_ref struct conn *c = NULL;

	if (dial_connect(fd, addr, len, NULL) < 0)
		return -1;
	c = descriptor_get(fd);
	return c ? io_send(c, fd, iov, n, flags & ~MSG_FASTOPEN)
		 : fail(ENOTCONN);
}

/* On a socket that is being connected it is a connect() first. */
static ssize_t send_opened(struct conn *c, int fd, const struct sockaddr *addr,
	const struct iovec *iov, int n, int flags)
{
	if (addr && addr->sa_family == AF_UNSPEC)
		return fail(EOPNOTSUPP);
	if (dial_again(c, fd, addr) < 0)
		return -1;
	return io_send(c, fd, iov, n, flags & ~MSG_FASTOPEN);
}

static bool opens_ours(int flags, const struct sockaddr *addr, socklen_t len)
{
	return (flags & MSG_FASTOPEN) && addr && config_active() &&
	       user_memory_is_readable(addr, len) && dial_wants(addr, len);
}

HOOK ssize_t sendto(int fd, const void *buf, size_t len, int flags,
	__CONST_SOCKADDR_ARG addr, socklen_t addrlen)
{
	conn_ref struct conn *c = descriptor_get(fd);
	struct iovec iov = {(void *)(uintptr_t)buf, clip(len)};

	if (c && (flags & MSG_FASTOPEN))
		return ERRNO_KEPT(
			send_opened(c, fd, addr.__sockaddr__, &iov, 1, flags));
	if (c)
		return ERRNO_KEPT(io_send(c, fd, &iov, 1, flags));
	if (opens_ours(flags, addr.__sockaddr__, addrlen))
		return ERRNO_KEPT(send_opening(
			fd, addr.__sockaddr__, addrlen, &iov, 1, flags));
	return real(sendto)(fd, buf, len, flags, addr, addrlen);
}

static ssize_t send_message(
	struct conn *c, int fd, const struct msghdr *msg, int flags)
{
	if (msg->msg_iovlen > IOV_MAX)
		return fail(EMSGSIZE);
	if (flags & MSG_FASTOPEN)
		return send_opened(c, fd, msg->msg_name, msg->msg_iov,
			(int)msg->msg_iovlen, flags);
	return io_send(c, fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
}

/* What a message on another socket gives to another process is handed over
 * first; false: errno says why not. */
static bool gives_nothing_away(const struct msghdr *msg)
{
	return !fdtab_is_used() ||
	       !user_memory_is_readable(msg, sizeof(*msg)) ||
	       !msg->msg_controllen || plug_passed(msg);
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	conn_ref struct conn *c = descriptor_get(fd);

	if (user_memory_is_absurd(msg))
		return real(sendmsg)(fd, msg, flags);
	if (c)
		return ERRNO_KEPT(send_message(c, fd, msg, flags));
	if ((flags & MSG_FASTOPEN) && config_active() &&
		user_memory_is_readable(msg, sizeof(*msg)) &&
		msg->msg_iovlen <= IOV_MAX &&
		opens_ours(flags, msg->msg_name, msg->msg_namelen))
		return ERRNO_KEPT(
			send_opening(fd, msg->msg_name, msg->msg_namelen,
				msg->msg_iov, (int)msg->msg_iovlen, flags));
	return gives_nothing_away(msg) ? real(sendmsg)(fd, msg, flags) : -1;
}

/* One by one where they are ours, or may open a connection of ours. */
HOOK int sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
	bool ours = (flags & MSG_FASTOPEN) || fdtab_peek(fd) > FDTAB_NOTES;
	unsigned i;

	for (i = 0; !ours && i < n; i++)
		if (!gives_nothing_away(&msgs[i].msg_hdr))
			return -1;
	if (!ours)
		return real(sendmmsg)(fd, msgs, n, flags);
	for (i = 0; i < n; i++) {
		ssize_t sent = sendmsg(fd, &msgs[i].msg_hdr, flags);

		if (sent < 0)
			return i ? (int)i : -1;
		msgs[i].msg_len = (unsigned)sent;
	}
	return (int)i;
}

/* ---- copies inside the kernel ---- */

#define HOOK_SENDFILE(name)                                                    \
	HOOK ssize_t name(int out, int in, off64_t *offset, size_t count)      \
	{                                                                      \
		conn_ref struct conn *c = descriptor_get(out);                 \
                                                                               \
		if (!c && fdtab_peek(in) <= FDTAB_NOTES)                       \
			return real(name)(out, in, offset, count);             \
		if (!c)                                                        \
			return fail(EINVAL);                                   \
		return ERRNO_KEPT(io_sendfile(c, out, in, offset, count));     \
	}
HOOK_SENDFILE(sendfile)
HOOK_SENDFILE(sendfile64)

HOOK ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset,
	size_t len, unsigned flags)
{
	conn_ref struct conn *from = descriptor_get(in);
	conn_ref struct conn *to = descriptor_get(out);

	if (!from && !to)
		return real(splice)(in, in_offset, out, out_offset, len, flags);
	if (from && to)
		return fail(EINVAL); /* one end must be a pipe */
	if ((from && out_offset) || (to && in_offset))
		return fail(ESPIPE); /* the pipe's */
	if (in_offset || out_offset)
		return fail(EINVAL);
	if (len == 0)
		return 0;
	return ERRNO_KEPT(to ? io_splice_out(to, out, in, len, flags)
			     : io_splice_in(from, in, out, len, flags));
}
