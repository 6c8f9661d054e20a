/* SPDX-License-Identifier: MIT */
/*
 * Data on a connection: what read(2), write(2), recv(2), send(2) and their
 * families mean on it.  fd is the number the program used.  Each function
 * returns what the libc call would: bytes, 0 at the end, or -1 with errno;
 * each may block as that call does.
 */
#ifndef TLSSHIM_IO_H
#define TLSSHIM_IO_H

#include "conn/conn.h"

/* recv(2) with scattered buffers; MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT and
 * MSG_TRUNC as for TCP; MSG_OOB fails with EOPNOTSUPP. */
ssize_t io_recv(
	struct conn *c, int fd, const struct iovec *iov, int n, int flags);

/* read(2): as io_recv, but nothing is waited for when there is no room. */
ssize_t io_read(struct conn *c, int fd, const struct iovec *iov, int n);

/* send(2) with gathered buffers; MSG_DONTWAIT and MSG_NOSIGNAL; MSG_OOB fails
 * with EOPNOTSUPP; other flags are hints that change nothing. */
ssize_t io_send(
	struct conn *c, int fd, const struct iovec *iov, int n, int flags);

/*
 * Between the connection and something else, in one piece: no other thread can
 * take the bytes, or the room for them, between the two steps.
 *
 * `pass` is given what came, up to room->iov_len bytes in room's memory, and
 * returns how many of them it took; the rest stays in the connection.  `fetch`
 * is called when a record will be taken whole, fills room's memory and returns
 * how many bytes it put there, 0 at the end.  Both run under the connection's
 * lock: they must not wait, and return -errno where they cannot go on, which
 * becomes the result.
 *
 * Returns bytes, 0 at the end, or -1 with errno: that of the callback, that of
 * recv(2) or send(2), or ESTALE where the connection was handed over and fd is
 * a plaintext socket now.  Waits for the connection as fd's mode and `flags`
 * (MSG_DONTWAIT) have it.
 */
typedef ssize_t io_step(void *arg, void *buf, size_t len);
ssize_t io_recv_through(struct conn *c, int fd, const struct iovec *room,
	io_step *pass, void *arg);
ssize_t io_send_through(struct conn *c, int fd, const struct iovec *room,
	io_step *fetch, void *arg, int flags);

/* sendfile(2) to a connection: in is a file that can be read at an offset. */
ssize_t io_sendfile(
	struct conn *c, int fd, int in, off64_t *offset, size_t count);

/* splice(2) from a pipe into a connection, and from one into a pipe. */
ssize_t io_splice_out(
	struct conn *c, int fd, int pipe, size_t len, unsigned flags);
ssize_t io_splice_in(
	struct conn *c, int fd, int pipe, size_t len, unsigned flags);

/* shutdown(2). */
int io_shutdown(struct conn *c, int fd, int how);

#endif
