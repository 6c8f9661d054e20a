/* SPDX-License-Identifier: MIT */
/*
 * Copies that the kernel would make by itself, from a file or between a pipe
 * and a connection, through a buffer of ours.
 */
#include "socket/io.h"

#include <errno.h>
#include <fcntl.h>
#include "base/fail.h"
#include "base/map.h"
#include "base/real.h"

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

/* ---- splice ---- */

/*
 * Between a pipe and memory of ours without waiting, whatever the pipe's mode:
 * vmsplice(2).  What is put into the pipe are the pages themselves, which stay
 * as they are when ours are unmapped.  An empty and a full pipe are told apart
 * from a connection that is not ready, for which EAGAIN stands.
 */
#define PIPE_WAITS ENODATA

static ssize_t move(int pipe, void *buf, size_t len)
{
	struct iovec iov = {buf, len};
	ssize_t r = vmsplice(pipe, &iov, 1, SPLICE_F_NONBLOCK);

	if (r >= 0)
		return r;
	return errno == EAGAIN ? -PIPE_WAITS : -errno;
}

static ssize_t move_pipe(void *arg, void *buf, size_t len)
{
	const int *pipe = arg;

	return move(*pipe, buf, len);
}

/* Nor is the call to wait for the pipe where that does not block by itself:
 * splice(2), SPLICE_F_NONBLOCK. */
static bool waits_for_pipe(int pipe, unsigned flags)
{
	return !(flags & SPLICE_F_NONBLOCK) &&
	       !(real(fcntl)(pipe, F_GETFL) & O_NONBLOCK);
}

/* splice(2), EINVAL: one end must be a pipe. */
static int check_pipe(int pipe)
{
	if (real(fcntl)(pipe, F_GETPIPE_SZ) >= 0)
		return 0;
	return real(fcntl)(pipe, F_GETFD) < 0 ? EBADF : EINVAL;
}

/* After PIPE_WAITS: waits until it is worth another try.  0, or -1 with
 * errno. */
static int wait_for_pipe(int pipe, short events, unsigned flags)
{
	struct pollfd p = {.fd = pipe, .events = events};

	if (!waits_for_pipe(pipe, flags))
		return fail(EAGAIN);
	return real(poll)(&p, 1, -1) < 0 ? -1 : 0;
}

ssize_t io_splice_out(
	struct conn *c, int fd, int pipe, size_t len, unsigned flags)
{
	mapped char *chunk = map_memory(CHUNK);
	const struct iovec room = {chunk, len < CHUNK ? len : CHUNK};
	const struct iovec nothing = {chunk, 0};
	int how = flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0;
	int err = chunk ? check_pipe(pipe) : ENOMEM;
	ssize_t r;

	if (err)
		return fail(err);
	do {
		r = io_send_through(c, fd, &room, move_pipe, &pipe, how);
	} while (r < 0 && errno == PIPE_WAITS &&
		 wait_for_pipe(pipe, POLLIN, flags) == 0);
	if (r < 0 && errno == ESTALE)
		return real(splice)(pipe, NULL, fd, NULL, len, flags);
	/* A blocking call sees its bytes out. */
	if (r > 0 && !how)
		io_send(c, fd, &nothing, 1, MSG_NOSIGNAL);
	return r;
}

ssize_t io_splice_in(
	struct conn *c, int fd, int pipe, size_t len, unsigned flags)
{
	mapped char *chunk = map_memory(CHUNK);
	const struct iovec room = {chunk, len < CHUNK ? len : CHUNK};
	int err = chunk ? check_pipe(pipe) : ENOMEM;
	ssize_t r;

	if (err)
		return fail(err);
	/* The flag means the pipe alone: splice(2), SPLICE_F_NONBLOCK. */
	do {
		r = io_recv_through(c, fd, &room, move_pipe, &pipe);
	} while (r < 0 && errno == PIPE_WAITS &&
		 wait_for_pipe(pipe, POLLOUT, flags) == 0);
	if (r < 0 && errno == ESTALE)
		return real(splice)(fd, NULL, pipe, NULL, len, flags);
	return r;
}
