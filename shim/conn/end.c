/* SPDX-License-Identifier: MIT */
/*
 * How a connection ends: what was accepted is sent, close_notify too, and the
 * real socket is closed; at the end of the process as well.
 */
#include "conn/conn.h"

#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "base/fdtab.h"
#include "base/keeper.h"
#include "base/real.h"
#include "base/sock.h"
#include "config/config.h"
#include "conn/descriptors.h"
#include "conn/report.h"

/* How long close() waits for a kernel that takes nothing. */
#define CLOSE_MS 2000u

/* SO_LINGER with a time of 0: the program asks for a reset. */
static bool wants_reset(const struct conn *c)
{
	struct linger linger = {0};
	socklen_t len = sizeof(linger);

	return real(getsockopt)(
		       c->real, SOL_SOCKET, SO_LINGER, &linger, &len) == 0 &&
	       linger.l_onoff && linger.l_linger == 0;
}

/* Lets the kernel take all that is left, where it allows that much. */
static void grow_send_buffer(const struct conn *c)
{
	int have = 0, want;
	socklen_t len = sizeof(have);

	real(getsockopt)(c->real, SOL_SOCKET, SO_SNDBUF, &have, &len);
	want = sock_unsent(c->real) + 2 * (int)c->tls->pending_out(c->session);
	if (want * 2 <= have)
		return;
	if (real(setsockopt)(c->real, SOL_SOCKET, SO_SNDBUFFORCE, &want,
		    sizeof(want)) < 0)
		real(setsockopt)(
			c->real, SOL_SOCKET, SO_SNDBUF, &want, sizeof(want));
}

static void wait_until_taken(struct conn *c, unsigned ms)
{
	int64_t end = clock_now() + ms * 1000000LL;
	struct pollfd p = {.fd = c->real, .events = POLLOUT};

	while (c->tls->flush(c->session) == TLS_WANT_WRITE) {
		int64_t left = (end - clock_now()) / 1000000;

		if (left <= 0 || (p.revents & (POLLERR | POLLHUP)))
			return;
		real(poll)(&p, 1, (int)left);
	}
}

/*
 * A closed socket answers what comes by a reset, and loses what it has not
 * sent.  To a program that only writes, and closes, the session tickets still
 * come, which servers send when their side of the handshake is done; behind
 * anything else that they say they have come.  Until all of `unsent` has been
 * taken somebody must keep the socket.
 */
static bool awaits_tickets(const struct conn *c, int unsent)
{
	struct tls_info info;

	if (unsent <= 0)
		return false;
	c->tls->info(c->session, &info);
	return info.sent && !info.received &&
	       strcmp(info.version, "TLSv1.2") != 0;
}

static void end_real(struct conn *c)
{
	c->write_end = true;
	real(shutdown)(c->real, SHUT_WR);
	sock_drain(c->real);
}

/* A server that refuses us, such as for want of a certificate, may have said so
 * by now, and nobody has read it. */
static void hear_refusal(struct conn *c)
{
	if (!c->read_end && report_is_early(c) &&
		c->tls->probe(c->session) == TLS_FAILED) {
		c->broken = true;
		report_broken(c, c->tls->failure(c->session), false);
	}
}

/* Sends what was accepted, close_notify, and the FIN.  false: the kernel does
 * not take it all at once, even with a bigger buffer, or must not close it yet.
 * Under the lock. */
static bool say_goodbye(struct conn *c)
{
	int unsent;

	if (c->state == CONN_HANDSHAKING)
		report_given_up(c);
	if (c->state != CONN_OPEN || !c->session)
		return true;
	hear_refusal(c);
	if (!c->end_reported)
		report_closed(c);
	c->end_reported = true;
	/* To a session that has failed nothing can be sent, by a relay either.
	 */
	if (c->broken || wants_reset(c))
		return true;
	unsent = sock_unsent(c->real);
	if (c->tls->shutdown(c->session) == TLS_WANT_WRITE) {
		grow_send_buffer(c);
		if (c->tls->flush(c->session) == TLS_WANT_WRITE)
			return false;
	}
	if (awaits_tickets(c, unsent))
		return false;
	end_real(c);
	return true;
}

/* Nobody waits in close(): what is left goes to a relay.  Where there can be
 * none it is waited for after all, bounded.  Without the lock. */
static void leave(struct conn *c, unsigned ms)
{
	bool done;

	if (conn_lock(c) != 0)
		return;
	done = say_goodbye(c);
	conn_unlock(c);
	if (done || c->ops->send_rest(c) || conn_lock(c) != 0)
		return;
	wait_until_taken(c, ms);
	end_real(c);
	conn_unlock(c);
}

static unsigned close_bound(void)
{
	unsigned linger_ms = config_get()->linger_ms;

	return linger_ms < CLOSE_MS ? linger_ms : CLOSE_MS;
}

static void conn_finish(struct conn *c)
{
	if (c->session)
		c->tls->session_free(c->session);
	c->session = NULL;
	if (c->real >= 0) {
		fdtab_unhide(c->real);
		real(close)(c->real);
	}
	c->real = -1;
}

void conn_put(struct conn *c)
{
	int saved_errno = errno;

	if (c == &conn_hidden || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	/* Nobody else can have it now; no lock is needed, but the sanitizers
	 * want to see one. */
	leave(c, close_bound());
	conn_lock(c);
	conn_finish(c);
	conn_unlock(c);
	if (c->state != CONN_PLUGGED)
		atomic_fetch_sub(&conn_count, 1);
	/* One that is inherited is not ours to use again. */
	if (conn_is_ours(c))
		conn_free(c);
	errno = saved_errno;
}

static bool finish_one(int fd, uintptr_t cell, void *arg)
{
	struct conn *c;

	(void)arg;
	if (!fdtab_is_number(cell))
		return true;
	c = descriptor_get(fd);
	if (c && c != &conn_hidden)
		leave(c, config_get()->linger_ms);
	if (c)
		conn_put(c);
	return true;
}

void conn_finish_all(void)
{
	if (atomic_load(&conn_count) && !keeper_is_borrowed())
		fdtab_each(0, FDTAB_MAX - 1, finish_one, NULL);
}
