/* SPDX-License-Identifier: MIT */
/*
 * A connection's states: TCP, handshake, open, failed; and what it has to read
 * and to write.  Knows no address, no setting but the timeout, and no libc
 * call's contract.
 */
#include "conn/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include "base/clock.h"
#include "base/real.h"
#include "base/sock.h"
#include "config/config.h"
#include "conn/report.h"
#include "log/log.h"

/* How long a reader lets sleepers come out before it pulls their bytes: on a
 * busy machine it takes them more than a few turns of the scheduler. */
#define YIELDS_MAX 1000
#define NAPS_MAX 200

int conn_errno(const struct tls_failure *failure)
{
	switch (failure->kind) {
	case TLS_FAIL_TRUST:
	case TLS_FAIL_SETUP:
		return EACCES;
	case TLS_FAIL_PROTOCOL:
		return EPROTO;
	case TLS_FAIL_MEMORY:
		return ENOMEM;
	case TLS_FAIL_TRANSPORT:
		/* A peer that went away while we were writing. */
		if (failure->transport_errno == EPIPE)
			return ECONNRESET;
		return failure->transport_errno;
	case TLS_FAIL_NONE:
	case TLS_FAIL_TRUNCATED:
	case TLS_FAIL_RECORD:
		break;
	}
	return ECONNRESET;
}

int conn_take_error(struct conn *c)
{
	int error = c->error;

	c->error = 0;
	if (error && c->state == CONN_FAILED)
		c->error_spent = true;
	return error;
}

void conn_fail(struct conn *c, int error, const char *why)
{
	c->state = CONN_FAILED;
	c->changed = true;
	c->error = error;
	c->read_end = true;
	c->write_end = true;
	if (why)
		report_refused(c, error, why,
			c->session ? c->tls->failure(c->session) : NULL);
	/* Wakes whoever sleeps on the real socket. */
	real(shutdown)(c->real, SHUT_RDWR);
	if (c->session)
		c->tls->session_free(c->session);
	c->session = NULL;
}

void conn_break(struct conn *c)
{
	const struct tls_failure *failure = c->tls->failure(c->session);

	c->broken = true;
	c->error = c->break_told ? 0 : conn_errno(failure);
	c->read_end = true;
	c->write_end = true;
	c->maybe_readable = false;
	report_broken(c, failure, true);
	real(shutdown)(c->real, SHUT_RDWR);
}

bool conn_hear_end(struct conn *c)
{
	if (c->state != CONN_OPEN || c->read_end ||
		c->tls->probe(c->session) != TLS_FAILED)
		return false;
	conn_break(c);
	return true;
}

/* The program says itself that it cannot connect, but it names the port that it
 * asked for, and a reset it may take for a refusal of the server's. */
void conn_fail_tcp(struct conn *c, int error)
{
	const char *why = NULL;

	if (!policy_same_address(&c->dialled, &c->target))
		why = strerrordesc_np(error);
	if (error == ECONNRESET)
		why = "Connection reset by peer before the TLS handshake";
	conn_fail(c, error, why);
}

/* The TCP connection of a socket that is being connected: 0 established,
 * EINPROGRESS, or why it failed.  Hung up without an error: the thread that
 * connects has yet to call connect(), or has just been told by it why not. */
static int tcp_status(const struct conn *c)
{
	struct pollfd p = {.fd = c->real, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	if (real(poll)(&p, 1, 0) == 0)
		return EINPROGRESS;
	real(getsockopt)(c->real, SOL_SOCKET, SO_ERROR, &error, &len);
	return !error && p.revents & POLLHUP ? EINPROGRESS : error;
}

static void advance_tcp(struct conn *c)
{
	int error = tcp_status(c);

	if (error == EINPROGRESS)
		return;
	if (error) {
		conn_fail_tcp(c, error);
		return;
	}
	c->state = CONN_HANDSHAKING;
	c->started = clock_now();
	c->handshake_end =
		c->started + c->dest->handshake_timeout_ms * 1000000LL;
}

static void fail_late(struct conn *c)
{
	char after[32], why[192];
	unsigned ms = c->dest->handshake_timeout_ms;

	if (ms % 100)
		log_format(after, sizeof(after), "%u ms", ms);
	else
		log_format(after, sizeof(after), "%u.%u s", ms / 1000,
			ms / 100 % 10);
	log_format(why, sizeof(why),
		"the TLS handshake was not finished within %s "
		"(TLSSHIM_HANDSHAKE_TIMEOUT)%s",
		after,
		c->pulled ? ""
			  : "; the server has sent nothing: does it speak TLS "
			    "on this port?");
	conn_fail(c, ETIMEDOUT, why);
}

static void fail_handshake(struct conn *c)
{
	const struct tls_failure *failure = c->tls->failure(c->session);
	char why[sizeof(failure->text) + 128];

	log_format(why, sizeof(why), "%s%s", failure->text,
		c->several_names && failure->kind == TLS_FAIL_TRUST
			? "; several names were looked up for this address and "
			  "must all be in it: TLSSHIM_SERVER_NAME can settle "
			  "it, "
			  "or server-name in a section of TLSSHIM_CONFIG for "
			  "this address"
			: "");
	conn_fail(c, conn_errno(failure), why);
}

/* The handshake waits for the server. */
static void wait_on(struct conn *c, int64_t now)
{
	if (now >= c->handshake_end) {
		fail_late(c);
		return;
	}
	if (c->pulled || c->silence_reported ||
		now < c->started + REPORT_SILENCE_NS)
		return;
	c->silence_reported = true;
	report_silence(c);
}

static void advance_handshake(struct conn *c)
{
	switch (c->tls->handshake(c->session)) {
	case TLS_OK:
	case TLS_PAUSED:
		c->state = CONN_OPEN;
		c->changed = true;
		/* The server's first words may have come with its last. */
		c->maybe_readable = true;
		report_opened(c);
		return;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		wait_on(c, clock_now());
		return;
	case TLS_EOF:
	case TLS_FAILED:
		break;
	}
	fail_handshake(c);
}

static void advance_output(struct conn *c)
{
	if (c->tls->pending_out(c->session) &&
		c->tls->flush(c->session) != TLS_OK)
		return;
	if (c->fin_pending) {
		c->fin_pending = false;
		real(shutdown)(c->real, SHUT_WR);
	}
}

void conn_advance(struct conn *c)
{
	if (c->state == CONN_CONNECTING)
		advance_tcp(c);
	if (c->state == CONN_HANDSHAKING)
		advance_handshake(c);
	if (c->state == CONN_OPEN)
		advance_output(c);
}

void conn_end_writing(struct conn *c)
{
	if (c->write_end)
		return;
	c->write_end = true;
	c->fin_pending = true;
	if (c->tls->shutdown(c->session) == TLS_OK)
		advance_output(c);
}

static bool probe_readable(struct conn *c)
{
	size_t available;
	enum tls_result r;

	if (c->read_end)
		return true;
	if (!c->maybe_readable)
		return false;
	if (c->low_water > 1)
		r = c->tls->fill(c->session, c->low_water, &available);
	else
		r = c->tls->probe(c->session);
	switch (r) {
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		c->maybe_readable = false;
		return c->read_shut;
	case TLS_FAILED:
		/* With bytes before it, the failure is told after them. */
		if (c->tls->probe(c->session) == TLS_FAILED)
			conn_break(c);
		break;
	case TLS_EOF:
		/* The same: then it is POLLRDHUP, too, with or without FIN. */
		if (c->tls->probe(c->session) == TLS_EOF)
			c->read_end = true;
		break;
	case TLS_OK:
	case TLS_PAUSED:
		break;
	}
	return true;
}

struct ready_state conn_ready(struct conn *c, bool probe)
{
	static const enum ready_phase phases[] = {
		[CONN_CONNECTING] = READY_CONNECTING,
		[CONN_HANDSHAKING] = READY_HANDSHAKING,
		[CONN_OPEN] = READY_OPEN,
		[CONN_FAILED] = READY_FAILED,
		[CONN_PLUGGED] = READY_OPEN,
	};
	struct ready_state st = {.phase = phases[c->state]};

	if (c->session)
		st.wants_write = c->tls->pending_out(c->session) > 0;
	if (probe && c->state == CONN_OPEN)
		st.readable = probe_readable(c);
	st.read_end = c->read_end || c->read_shut;
	st.write_end = c->write_end;
	st.has_error = c->error != 0;
	return st;
}

void conn_lend_nodelay(struct conn *c, int fd)
{
	const int on = 1;

	c->nodelay_lent = sock_int(fd, IPPROTO_TCP, TCP_NODELAY) == 0;
	real(setsockopt)(c->real, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void conn_return_nodelay(struct conn *c)
{
	const int off = 0;

	c->nodelay_lent = false;
	real(setsockopt)(c->real, IPPROTO_TCP, TCP_NODELAY, &off, sizeof(off));
}

static int64_t timeout_of(int fd, int name)
{
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);

	if (real(getsockopt)(fd, SOL_SOCKET, name, &tv, &len) < 0)
		return 0;
	return tv.tv_sec * NS_PER_S + tv.tv_usec * 1000LL;
}

void conn_learn_timeouts(struct conn *c, int fd)
{
	c->receive_timeout = timeout_of(fd, SO_RCVTIMEO);
	c->send_timeout = timeout_of(fd, SO_SNDTIMEO);
}

void conn_learn_options(struct conn *c, int fd)
{
	int low = 1, flags = real(fcntl)(fd, F_GETFL);
	socklen_t len = sizeof(low);

	c->nonblocking = flags >= 0 && (flags & O_NONBLOCK);
	c->async = flags >= 0 && (flags & O_ASYNC);
	conn_learn_timeouts(c, fd);
	real(getsockopt)(fd, SOL_SOCKET, SO_RCVLOWAT, &low, &len);
	c->low_water = low > 0 ? (size_t)low : 1;
}

bool conn_is_nonblocking(struct conn *c, int fd)
{
	int flags;

	if (c->nonblocking)
		return true;
	/* About to block: another process may have changed the mode. */
	flags = real(fcntl)(fd, F_GETFL);
	c->nonblocking = flags >= 0 && (flags & O_NONBLOCK);
	return c->nonblocking;
}

int conn_peek_kernel(struct conn *c, int real_fd, int flags)
{
	char byte;
	ssize_t got = real(recv)(real_fd, &byte, 1, MSG_PEEK | flags);

	if (got >= 0)
		return (int)got;
	if (errno == EAGAIN || errno == EINTR)
		return -1;
	/* The kernel tells an error once: keep it for the next receive. */
	atomic_store(&c->kernel_error, errno);
	return 0;
}

int conn_before_pull(struct conn *c)
{
	const struct timespec nap = {.tv_nsec = 1000000};

	for (int i = 0; i < YIELDS_MAX + NAPS_MAX && atomic_load(c->waiters);
		i++) {
		int err;

		/* They sleep on if the kernel has nothing for them. */
		if (conn_peek_kernel(c, c->real, MSG_DONTWAIT) < 0)
			return 0;
		conn_unlock(c);
		/* By number: nanosleep() is a cancellation point. */
		if (i < YIELDS_MAX)
			sched_yield();
		else
			real(syscall)(SYS_nanosleep, &nap, NULL);
		err = conn_lock(c);
		if (err)
			return err;
	}
	return 0;
}
