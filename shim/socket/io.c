/* SPDX-License-Identifier: MIT */
/*
 * Data on a connection, by the contract of the kernel's TCP.  Knows flags,
 * partial transfers and blocking; knows no descriptor table and no policy.
 */
#include "socket/io.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "base/fail.h"
#include "base/real.h"
#include "base/sock.h"
#include "base/user_memory.h"
#include "conn/wait.h"
#include "event/watch.h"

#define IOV_VIEW 16

/* ---- scattered buffers with a position ---- */

struct cursor {
	const struct iovec *iov;
	int n;
	size_t skip; /* bytes of iov[0] that are done */
};

static size_t total_len(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

static void cursor_move(struct cursor *cur, size_t done)
{
	done += cur->skip;
	while (cur->n > 0 && done >= cur->iov->iov_len) {
		done -= cur->iov->iov_len;
		cur->iov++;
		cur->n--;
	}
	cur->skip = done;
}

/* The rest, or the first buffers of it, as an iovec of our own. */
static int cursor_view(const struct cursor *cur, struct iovec *view)
{
	int n = cur->n < IOV_VIEW ? cur->n : IOV_VIEW;

	if (n <= 0)
		return 0;
	memcpy(view, cur->iov, (size_t)n * sizeof(*view));
	view[0].iov_base = (char *)view[0].iov_base + cur->skip;
	view[0].iov_len -= cur->skip;
	return n;
}

/* The kernel's half of the addresses is nobody's buffer: EFAULT at once. */
static bool in_user_space(const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++)
		if (iov[i].iov_len && (intptr_t)iov[i].iov_base < 0)
			return false;
	return true;
}

/* NULL and what lies near it: EFAULT when it is its turn.  The kernel looks
 * closer. */
static bool has_null(const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++)
		if (iov[i].iov_len && user_memory_is_absurd(iov[i].iov_base))
			return true;
	return false;
}

/* ---- errors ---- */

/* EPIPE, with the signal that goes with it: send(2). */
static ssize_t fail_write(int err, int flags)
{
	if (err == EPIPE && !(flags & MSG_NOSIGNAL))
		pthread_kill(pthread_self(), SIGPIPE);
	return fail(err);
}

/* The connection was handed over while the call was under way: the number is
 * a plaintext socket now.  Stands for an errno value that no call gives. */
#define MOVED ESTALE

static ssize_t recv_plain(int fd, const struct cursor *cur, int flags)
{
	struct iovec view[IOV_VIEW];
	struct msghdr msg = {.msg_iov = view};

	msg.msg_iovlen = (size_t)cursor_view(cur, view);
	return real(recvmsg)(fd, &msg, flags);
}

static ssize_t send_plain(int fd, const struct cursor *cur, int flags)
{
	struct iovec view[IOV_VIEW];
	struct msghdr msg = {.msg_iov = view};

	msg.msg_iovlen = (size_t)cursor_view(cur, view);
	return real(sendmsg)(fd, &msg, flags);
}

/* ---- receiving ---- */

/* One try, under the lock: bytes, 0 at the end, or -errno. */
static ssize_t take(
	struct conn *c, const struct iovec *iov, int n, int flags, size_t want)
{
	size_t done = 0;
	enum tls_result r;

	if (c->read_end)
		return -conn_take_error(c);
	if (has_null(iov, n)) {
		r = c->tls->probe(c->session);
		if (r == TLS_OK)
			return -EFAULT;
	} else if (flags & MSG_PEEK) {
		if (!(flags & MSG_WAITALL) || want == 0)
			want = 1;
		r = c->tls->fill(c->session, want, &done);
		if (done) {
			c->maybe_readable = true;
			c->end_known = r == TLS_EOF || r == TLS_FAILED;
			return (ssize_t)c->tls->peekv(c->session, iov, n);
		}
	} else if (total_len(iov, n) == 0) {
		r = c->tls->probe(c->session);
	} else {
		r = c->tls->readv(c->session, iov, n, &done);
	}
	switch (r) {
	case TLS_PAUSED:
		/* A short read that has not drained it: another edge. */
		watch_untell(c);
		/* fall through */
	case TLS_OK:
		c->maybe_readable = c->tls->pending_in(c->session);
		return (ssize_t)done;
	case TLS_EOF:
		c->read_end = true;
		return 0;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		c->maybe_readable = false;
		return c->read_shut ? 0 : -EAGAIN;
	case TLS_FAILED:
		break;
	}
	conn_break(c);
	return -conn_take_error(c);
}

/* The same, from whatever state the connection is in. */
static ssize_t try_recv(
	struct conn *c, const struct iovec *iov, int n, int flags, size_t want)
{
	if (c->state == CONN_PLUGGED)
		return -MOVED;
	conn_advance(c);
	if (c->state == CONN_FAILED)
		return -conn_take_error(c);
	if (c->state != CONN_OPEN)
		return -EAGAIN;
	return take(c, iov, n, flags, want);
}

/* How much must have come before a blocking call returns. */
static size_t enough(const struct conn *c, size_t room, int flags)
{
	size_t low = (flags & MSG_WAITALL) ? room : c->low_water;

	if (low > room)
		low = room;
	return low ? low : 1;
}

/* Sleeps until a receive may go on; drops the lock.  0 or an errno value. */
static int wait_for_data(struct conn *c, int fd, int64_t *deadline)
{
	if (*deadline == 0)
		*deadline = wait_deadline(c->receive_timeout);
	if (c->state == CONN_OPEN)
		return wait_readable(c, *deadline);
	conn_unlock(c);
	return wait_open(c, fd, *deadline);
}

/* Takes the lock, after letting other sleepers out. */
static int lock_to_pull(struct conn *c)
{
	int err = conn_lock(c);

	return err || !atomic_load(c->waiters) ? err : conn_before_pull(c);
}

/* The result of a call that moved `done` bytes and then met r (as try_recv
 * and give tell it).  Bytes go first: an error is kept for the next call.
 * Under the lock. */
static ssize_t settle(struct conn *c, size_t done, ssize_t r)
{
	if (done == 0)
		return r;
	if (r < 0 && r != -EAGAIN && r != -MOVED)
		c->error = (int)-r;
	return (ssize_t)done;
}

static ssize_t recv_loop(struct conn *c, int fd, struct cursor cur, int flags)
{
	size_t room = total_len(cur.iov, cur.n), got = 0;
	int64_t deadline = 0;

	for (;;) {
		struct iovec view[IOV_VIEW];
		int n = cursor_view(&cur, view);
		size_t want = (flags & MSG_PEEK) ? room : total_len(view, n);
		int err = lock_to_pull(c);
		ssize_t r;

		if (err)
			return got ? (ssize_t)got : -err;
		r = try_recv(c, view, n, flags, want);
		if (r > 0 && (flags & MSG_PEEK)) {
			got = (size_t)r; /* a peek starts anew each time */
			if (c->end_known)
				flags |= MSG_DONTWAIT;
		} else if (r > 0) {
			got += (size_t)r;
			cursor_move(&cur, (size_t)r);
			if ((size_t)r == want && cur.n > 0) {
				conn_unlock(c);
				continue;
			}
		}
		if (r == 0 || (r < 0 && r != -EAGAIN) ||
			(got && got >= enough(c, room, flags)) ||
			(flags & MSG_DONTWAIT) || conn_is_nonblocking(c, fd)) {
			r = settle(c, got, r);
			conn_unlock(c);
			return r;
		}
		err = wait_for_data(c, fd, &deadline);
		if (err)
			return got ? (ssize_t)got : -err;
	}
}

/* MSG_TRUNC on TCP: the bytes are thrown away instead of copied: tcp(7). */
static ssize_t discard(struct conn *c, int fd, size_t len, int flags)
{
	char scratch[4096];
	struct iovec iov = {
		scratch, len < sizeof(scratch) ? len : sizeof(scratch)};
	size_t got = 0;

	while (got < len) {
		ssize_t r;

		if (iov.iov_len > len - got)
			iov.iov_len = len - got;
		r = io_recv(c, fd, &iov, 1, flags);
		if (r <= 0)
			return got ? (ssize_t)got : r;
		got += (size_t)r;
		if (!(flags & MSG_WAITALL))
			flags |= MSG_DONTWAIT;
	}
	return (ssize_t)got;
}

ssize_t io_recv(
	struct conn *c, int fd, const struct iovec *iov, int n, int flags)
{
	const struct cursor all = {iov, n, 0};
	ssize_t r;

	if (!in_user_space(iov, n))
		return fail(EFAULT);
	/* As where no urgent data has come. */
	if (flags & MSG_OOB)
		return fail(EINVAL);
	if (flags & MSG_ERRQUEUE)
		return fail(EAGAIN);
	if ((flags & MSG_TRUNC) && !(flags & MSG_PEEK))
		return discard(c, fd, total_len(iov, n), flags & ~MSG_TRUNC);
	r = recv_loop(c, fd, all, flags);
	if (r == -MOVED)
		return recv_plain(fd, &all, flags);
	return r < 0 ? fail((int)-r) : r;
}

ssize_t io_read(struct conn *c, int fd, const struct iovec *iov, int n)
{
	/* sock_read_iter() returns 0 for no room, whatever the state. */
	if (total_len(iov, n) == 0 && c != &conn_hidden)
		return 0;
	return io_recv(c, fd, iov, n, 0);
}

/* ---- sending ---- */

/* Everything is accepted; a blocking call also sees it out of this process. */
static bool is_out(const struct conn *c)
{
	return c->state != CONN_OPEN || !c->session || c->write_end ||
	       c->tls->pending_out(c->session) == 0;
}

/* Writing has failed.  The kernel says EPIPE where the peer had closed before,
 * and tells of a reset only once, by whichever call comes first. */
static int output_error(struct conn *c)
{
	const struct tls_failure *failure = c->tls->failure(c->session);
	bool transport = failure->kind == TLS_FAIL_TRANSPORT;
	int error = transport ? failure->transport_errno : conn_errno(failure);

	c->write_end = true;
	c->break_told = true;
	/* Other errors may pass, and somebody may sleep for what comes. */
	if (transport && error != ECONNRESET && error != EPIPE)
		return error;
	if (conn_hear_end(c) && failure->kind != TLS_FAIL_TRANSPORT &&
		failure->kind != TLS_FAIL_TRUNCATED)
		return conn_errno(failure);
	return error;
}

/* One try, under the lock: bytes accepted (0 of 0), or -errno. */
static ssize_t give(struct conn *c, const struct iovec *iov, int n)
{
	size_t done = 0;
	int err;

	if (c->state == CONN_PLUGGED)
		return -MOVED;
	conn_advance(c);
	if (c->state == CONN_FAILED || c->write_end) {
		err = conn_take_error(c);
		return err ? -err : -EPIPE;
	}
	if (c->state != CONN_OPEN)
		return -EAGAIN;
	if (total_len(iov, n) == 0)
		return is_out(c) ? 0 : -EAGAIN;
	if (has_null(iov, n))
		return -EFAULT;
	c->has_spoken = true;
	switch (c->tls->writev(c->session, iov, n, &done)) {
	case TLS_OK:
	case TLS_PAUSED:
		return (ssize_t)done;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		return -EAGAIN;
	case TLS_EOF:
	case TLS_FAILED:
		break;
	}
	return -output_error(c);
}

static int wait_for_room(struct conn *c, int fd, int64_t *deadline)
{
	if (*deadline == 0)
		*deadline = wait_deadline(c->send_timeout);
	if (c->state == CONN_OPEN)
		return wait_writable(c, *deadline);
	conn_unlock(c);
	return wait_open(c, fd, *deadline);
}

static ssize_t send_loop(struct conn *c, int fd, struct cursor cur, int flags)
{
	size_t total = total_len(cur.iov, cur.n), sent = 0;
	int64_t deadline = 0;

	for (;;) {
		struct iovec view[IOV_VIEW];
		int n = cursor_view(&cur, view);
		size_t want = total_len(view, n);
		int err = conn_lock(c);
		ssize_t r;

		if (err)
			return sent ? (ssize_t)sent : -err;
		r = give(c, view, n);
		if (r > 0) {
			sent += (size_t)r;
			cursor_move(&cur, (size_t)r);
			if ((size_t)r == want && sent < total) {
				conn_unlock(c);
				continue;
			}
		}
		if ((r < 0 && r != -EAGAIN) || (sent == total && is_out(c)) ||
			(flags & MSG_DONTWAIT) || conn_is_nonblocking(c, fd)) {
			r = settle(c, sent, r);
			conn_unlock(c);
			return r;
		}
		err = wait_for_room(c, fd, &deadline);
		if (err)
			return sent ? (ssize_t)sent : -err;
	}
}

ssize_t io_send(
	struct conn *c, int fd, const struct iovec *iov, int n, int flags)
{
	const struct cursor all = {iov, n, 0};
	ssize_t r;

	if (!in_user_space(iov, n))
		return fail(EFAULT);
	/* TLS has no urgent data: what telnet(1) and ftp(1) send so (RFC 854,
	 * RFC 959) is understood in its place in the stream as well, so MSG_OOB
	 * changes nothing. */
	r = send_loop(c, fd, all, flags);
	if (r == -MOVED)
		return send_plain(fd, &all, flags);
	return r < 0 ? fail_write((int)-r, flags) : r;
}

/* ---- passing on ---- */

/* One step, under the lock: bytes that `pass` took, 0 at the end, or -errno. */
static ssize_t pass_on(
	struct conn *c, const struct iovec *room, io_step *pass, void *arg)
{
	ssize_t r = try_recv(c, room, 1, MSG_PEEK, 1);
	struct iovec taken = {room->iov_base, 0};

	if (r <= 0)
		return r;
	r = pass(arg, room->iov_base, (size_t)r);
	if (r <= 0)
		return r;
	taken.iov_len = (size_t)r;
	return take(c, &taken, 1, 0, taken.iov_len);
}

ssize_t io_recv_through(struct conn *c, int fd, const struct iovec *room,
	io_step *pass, void *arg)
{
	int64_t deadline = 0;

	for (;;) {
		int err = lock_to_pull(c);
		ssize_t r;

		if (err)
			return fail(err);
		r = pass_on(c, room, pass, arg);
		if (r != -EAGAIN || conn_is_nonblocking(c, fd)) {
			conn_unlock(c);
			return r < 0 ? fail((int)-r) : r;
		}
		err = wait_for_data(c, fd, &deadline);
		if (err)
			return fail(err);
	}
}

/* One step, under the lock: bytes that are on their way, 0 where there are no
 * more, or -errno.  With nothing before them the engine takes a record whole.
 */
static ssize_t fetch_record(
	struct conn *c, const struct iovec *room, io_step *fetch, void *arg)
{
	struct iovec got = {room->iov_base, 0};
	ssize_t r = give(c, &got, 1);

	if (r < 0)
		return r;
	r = fetch(arg, room->iov_base, room->iov_len);
	if (r <= 0)
		return r;
	got.iov_len = (size_t)r;
	return give(c, &got, 1);
}

ssize_t io_send_through(struct conn *c, int fd, const struct iovec *room,
	io_step *fetch, void *arg, int flags)
{
	int64_t deadline = 0;

	for (;;) {
		int err = conn_lock(c);
		ssize_t r;

		if (err)
			return fail(err);
		r = fetch_record(c, room, fetch, arg);
		if (r != -EAGAIN || (flags & MSG_DONTWAIT) ||
			conn_is_nonblocking(c, fd)) {
			conn_unlock(c);
			return r < 0 ? fail_write((int)-r, flags) : r;
		}
		err = wait_for_room(c, fd, &deadline);
		if (err)
			return fail(err);
	}
}

/* ---- shutdown ---- */

/* Before it is open, any shutdown makes the socket fresh: inet_shutdown() in
 * Linux, TCP_SYN_SENT.  Drops the lock. */
static int give_up_opening(struct conn *c)
{
	conn_unlock(c);
	conn_forget_numbers(c);
	return 0;
}

int io_shutdown(struct conn *c, int fd, int how)
{
	int err = conn_lock(c);

	if (err)
		return fail(err);
	if (c->state == CONN_PLUGGED) {
		conn_unlock(c);
		return real(shutdown)(fd, how);
	}
	conn_advance(c);
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		err = EINVAL;
	else if (c->state == CONN_CONNECTING || c->state == CONN_HANDSHAKING)
		return give_up_opening(c);
	/* Both directions have ended, by FINs or a reset. */
	else if (c->state != CONN_OPEN || sock_tcp_state(c->real) == TCP_CLOSE)
		err = ENOTCONN;
	if (!err && how != SHUT_WR) {
		c->read_shut = true;
		real(shutdown)(c->real, SHUT_RD);
	}
	if (!err && how != SHUT_RD)
		conn_end_writing(c);
	conn_unlock(c);
	return err ? fail(err) : 0;
}
