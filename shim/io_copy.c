/* SPDX-License-Identifier: MIT */
/*
 * Copies that the kernel would make by itself, from a file or between a pipe
 * and a connection, through a buffer of ours.
 */
#include "io.h"

#include <errno.h>
#include "fail.h"
#include "map.h"
#include "real.h"

/* What one call moves through a buffer of ours; a record's worth.  Some
 * threads have no more stack than that. */
#define CHUNK 16384

static void unmap(char **chunk)
{
	if (*chunk)
		munmap(*chunk, CHUNK);
}

/* Goes with its scope, also when the thread is cancelled. */
#define mapped __attribute__((cleanup(unmap)))

ssize_t io_sendfile(
	struct conn *c, int fd, int in, off64_t *offset, size_t count)
{
	mapped char *chunk = map_memory(CHUNK);
	off64_t at = offset ? *offset : lseek64(in, 0, SEEK_CUR);
	size_t sent = 0;

	if (!chunk)
		return fail(ENOMEM);
	if (at < 0)
		return errno == EBADF ? -1 : fail(EINVAL);
	while (sent < count) {
		size_t want = count - sent < CHUNK ? count - sent : CHUNK;
		ssize_t got = pread64(in, chunk, want, at);
		struct iovec iov = {chunk, got > 0 ? (size_t)got : 0};
		ssize_t r;

		if (got <= 0 && sent == 0)
			return got;
		if (got <= 0)
			break;
		r = io_send(c, fd, &iov, 1, 0);
		if (r < 0 && sent == 0)
			return r;
		if (r < 0)
			break;
		sent += (size_t)r;
		at += r;
		if (r < got)
			break;
	}
	if (offset)
		*offset = at;
	else
		lseek64(in, at, SEEK_SET);
	return (ssize_t)sent;
}

ssize_t io_splice_out(
	struct conn *c, int fd, int pipe, size_t len, unsigned flags)
{
	mapped char *chunk = map_memory(CHUNK);
	struct iovec iov = {chunk, len < CHUNK ? len : CHUNK};
	struct iovec nothing = {chunk, 0};
	struct pollfd p = {.fd = pipe, .events = POLLIN};
	bool blocking =
		!(flags & SPLICE_F_NONBLOCK) && !conn_is_nonblocking(c, fd);
	ssize_t got;

	if (!chunk)
		return fail(ENOMEM);
	/* What is taken from the pipe must be accepted: look first. */
	if (!io_has_room(c)) {
		if (!blocking)
			return fail(EAGAIN);
		if (io_send(c, fd, &nothing, 1, 0) < 0)
			return -1;
	}
	if ((flags & SPLICE_F_NONBLOCK) && real(poll)(&p, 1, 0) == 0)
		return fail(EAGAIN);
	got = real(read)(pipe, chunk, iov.iov_len);
	if (got <= 0)
		return got;
	iov.iov_len = (size_t)got;
	return io_send(c, fd, &iov, 1, 0);
}

ssize_t io_splice_in(
	struct conn *c, int fd, int pipe, size_t len, unsigned flags)
{
	mapped char *chunk = map_memory(CHUNK);
	struct iovec iov = {chunk, len < CHUNK ? len : CHUNK};
	struct pollfd p = {.fd = pipe, .events = POLLOUT};
	ssize_t got;

	if (!chunk)
		return fail(ENOMEM);
	/* The flag means the pipe alone: splice(2), SPLICE_F_NONBLOCK. */
	got = io_recv(c, fd, &iov, 1, MSG_PEEK);
	if (got <= 0)
		return got;
	if ((flags & SPLICE_F_NONBLOCK) && real(poll)(&p, 1, 0) == 0)
		return fail(EAGAIN);
	got = real(write)(pipe, chunk, (size_t)got);
	if (got <= 0)
		return got;
	iov.iov_len = (size_t)got;
	return io_recv(c, fd, &iov, 1, MSG_DONTWAIT);
}
