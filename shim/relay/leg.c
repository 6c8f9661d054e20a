/* SPDX-License-Identifier: MIT */
/*
 * What one relayed connection means.  Knows the session, the real socket and
 * the loopback; of processes only whether the program lives.  Runs in a relay:
 * see relay.c for what that forbids.
 *
 * How the program's end is told apart: its FIN on the loopback is a half-close
 * or a close, and looks the same.  But a closed socket is forgotten by the
 * kernel after a while (tcp_fin_timeout, TCP_LINGER2), and answers with a
 * reset from then on: keep-alive probes ask.  So a half-closed program may wait
 * for its answer as long as it likes, and a closed one is given up in time.
 * Where there is no room for what it said its FIN does not even come through,
 * and where it must be known soon the probes are too slow: owner.c.
 *
 * A connection that is not open yet comes with its handshake.  The program sees
 * one that is open and says nothing; what it writes waits here and in the
 * loopback.
 *
 * Nor does the loopback tell a program that closed from one that was killed,
 * of which the peer must not believe that it has said all: goodbye.h.
 */
#include "relay/leg.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include "base/clock.h"
#include "base/map.h"
#include "base/real.h"
#include "base/sock.h"
#include "conn/conn.h"
#include "conn/report.h"
#include "log/log.h"
#include "relay/owner.h"
#include "relay/process.h"

#define BUFFER_SIZE (64 << 10)
/* For threads of the program that must see their wake-up first. */
#define SLEEPERS_NS (3 * NS_PER_S)
/* How many buffers one connection may move before others have their turn. */
#define TURNS 16
/* Seconds between questions whether the program's closed socket is there. */
#define PROBE_S 2
/* For a thread of the program that is about to call connect(). */
#define DIALLER_NS (3 * NS_PER_S)
/* How often at most the kernel is asked who has it. */
#define OWNER_NS NS_PER_S

static bool has(const struct relay_buffer *b)
{
	return b->off < b->len;
}

/* ---- ends ---- */

/* Nobody reads any more: a refusal that came meanwhile is said all the same. */
static void hear_end(struct relay_leg *leg)
{
	const struct conn *c = leg->c;

	if (c->tls->probe(c->session) != TLS_FAILED)
		return;
	leg->peer_done = true;
	report_broken(c, c->tls->failure(c->session), false);
}

/* Closing the loopback end is a reset unless it is said otherwise (plug.c). */
static void end_leg(struct relay_leg *leg)
{
	const struct linger properly = {.l_onoff = 0};
	const struct conn *c = leg->c;

	if (c->state == CONN_OPEN && !leg->peer_done && report_is_early(c))
		hear_end(leg);
	if (c->state == CONN_OPEN && !c->end_reported)
		report_closed(c);
	if (leg->fin_sent && !leg->broken)
		sock_drain(c->real);
	/* The program may still hold copies: close() alone sends no FIN. */
	real(shutdown)(c->real, SHUT_RDWR);
	real(close)(c->real);
	if (leg->inner >= 0) {
		if (!leg->broken)
			real(setsockopt)(leg->inner, SOL_SOCKET, SO_LINGER,
				&properly, sizeof(properly));
		real(close)(leg->inner);
	}
	munmap(leg->to_program.bytes, BUFFER_SIZE);
	munmap(leg->to_peer.bytes, BUFFER_SIZE);
	leg->over = true;
}

/* Nobody has the placeholder any more. */
static void program_gone(struct relay_leg *leg)
{
	leg->program_gone = true;
	leg->peer_told = true;
	leg->to_program.off = leg->to_program.len;
}

/*
 * Nobody has the placeholder, or its direction was ended.  Was that meant?  It
 * is a death only where nobody said goodbye and the program was killed for
 * certain; others who have the connection say goodbye as well, or somebody has
 * for them.
 */
static bool is_death(const struct relay_leg *leg)
{
	const struct conn *c = leg->c;

	return leg->inner >= 0 && atomic_load(c->unsaid) == c->cookie &&
	       process_was_killed(leg->program, leg->pidfd);
}

static void program_done(struct relay_leg *leg)
{
	int on = 1, seconds = PROBE_S;

	leg->program_done = true;
	leg->killed = is_death(leg);
	if (leg->killed)
		log_line(LOG_LEVEL_INFO,
			"%s: the program was killed: the connection ends "
			"without close_notify",
			leg->c->destination);
	leg->progress = clock_now();
	real(setsockopt)(leg->inner, IPPROTO_TCP, TCP_KEEPIDLE, &seconds,
		sizeof(seconds));
	real(setsockopt)(leg->inner, IPPROTO_TCP, TCP_KEEPINTVL, &seconds,
		sizeof(seconds));
	real(setsockopt)(leg->inner, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/*
 * The peer failed: once the program has all that came before, it is to see
 * ECONNRESET, not an end.  Where nobody has its socket any more nobody asks how
 * the peer ended, and many end without close_notify then.
 */
static void peer_failed(struct relay_leg *leg)
{
	const struct conn *c = leg->c;
	bool heard = !leg->program_gone &&
		     (!leg->program_done || owner_exists(leg->inner));

	report_broken(c, c->tls->failure(c->session), heard);
	leg->broken = true;
	leg->peer_done = true;
	leg->progress = clock_now();
}

/* ---- from the peer to the program ---- */

static void push_to_program(struct relay_leg *leg)
{
	struct relay_buffer *b = &leg->to_program;

	while (has(b)) {
		ssize_t n = real(send)(leg->inner, b->bytes + b->off,
			b->len - b->off, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			/* What it said before is still to be read. */
			program_gone(leg);
			return;
		}
		b->off += (size_t)n;
	}
	if (leg->peer_done && !leg->peer_told && !leg->broken) {
		leg->peer_told = true;
		real(shutdown)(leg->inner, SHUT_WR);
	}
}

/* Threads of the program that sleep on the real socket would never wake if
 * their bytes were gone when they look.  One that is stopped wakes nobody until
 * it goes on. */
static bool must_let_sleepers_out(struct relay_leg *leg)
{
	int64_t now = clock_now();

	if (!atomic_load(leg->c->waiters)) {
		leg->sleepers = 0;
		return false;
	}
	if (kill(leg->program, 0) < 0 && errno == ESRCH)
		return false; /* killed in their sleep */
	if (!leg->sleepers || process_is_stopped(leg->program))
		leg->sleepers = now;
	return now - leg->sleepers < SLEEPERS_NS;
}

static void pump_to_program(struct relay_leg *leg)
{
	struct conn *c = leg->c;
	struct relay_buffer *b = &leg->to_program;

	for (int i = 0; i < TURNS && !leg->peer_done && !has(b); i++) {
		struct iovec iov = {b->bytes, BUFFER_SIZE};
		size_t n = 0;

		switch (c->tls->readv(c->session, &iov, 1, &n)) {
		case TLS_OK:
		case TLS_PAUSED:
			b->off = 0;
			b->len = n;
			break;
		case TLS_EOF:
			leg->peer_done = true;
			break;
		case TLS_WANT_READ:
		case TLS_WANT_WRITE:
			return;
		case TLS_FAILED:
			peer_failed(leg);
			return;
		}
		if (leg->program_gone)
			b->off = b->len;
		push_to_program(leg);
	}
}

/* ---- from the program to the peer ---- */

static bool has_output(const struct relay_leg *leg)
{
	return !leg->write_broken && leg->c->state == CONN_OPEN &&
	       leg->c->tls->pending_out(leg->c->session) > 0;
}

static void flush(struct relay_leg *leg)
{
	struct conn *c = leg->c;
	size_t before = c->tls->pending_out(c->session);

	/* What the peer said before it went away is still read. */
	if (c->tls->flush(c->session) == TLS_FAILED)
		leg->write_broken = true;
	if (c->tls->pending_out(c->session) < before)
		leg->progress = clock_now();
}

static void finish_to_peer(struct relay_leg *leg)
{
	struct conn *c = leg->c;

	if (!leg->program_done || leg->fin_sent || conn_is_opening(c) ||
		(has(&leg->to_peer) && !leg->write_broken))
		return;
	if (leg->killed && has_output(leg))
		return;
	if (!leg->killed && !leg->write_broken &&
		c->tls->shutdown(c->session) == TLS_WANT_WRITE)
		return;
	leg->fin_sent = true;
	leg->progress = clock_now();
	leg->look_gap = OWNER_NS;
	leg->look = leg->progress + OWNER_NS;
	real(shutdown)(c->real, SHUT_WR);
}

/* What the program said goes into records, once the peer is verified; false: no
 * more for now. */
static bool push_to_peer(struct relay_leg *leg)
{
	struct conn *c = leg->c;
	struct relay_buffer *b = &leg->to_peer;

	if (conn_is_opening(c))
		return !has(b);
	while (has(b)) {
		struct iovec iov = {b->bytes + b->off, b->len - b->off};
		size_t n = 0;

		c->has_spoken = true;
		switch (c->tls->writev(c->session, &iov, 1, &n)) {
		case TLS_OK:
		case TLS_PAUSED:
			b->off += n;
			leg->progress = clock_now();
			break;
		case TLS_WANT_READ:
		case TLS_WANT_WRITE:
			return false;
		case TLS_EOF:
		case TLS_FAILED:
			leg->write_broken = true;
			return false;
		}
	}
	return true;
}

/* Nagle's algorithm on the program's side, which is as the program set it,
 * holds small writes until this is acknowledged: now, not when there is an
 * answer to take that along. */
static void acknowledge(const struct relay_leg *leg)
{
	const int on = 1;

	real(setsockopt)(
		leg->inner, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static void pump_to_peer(struct relay_leg *leg)
{
	struct relay_buffer *b = &leg->to_peer;

	for (int i = 0; i < TURNS && !leg->write_broken; i++) {
		ssize_t n;

		if (!push_to_peer(leg) || leg->program_done || has_output(leg))
			return;
		n = real(recv)(leg->inner, b->bytes, BUFFER_SIZE, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		b->off = 0;
		b->len = n > 0 ? (size_t)n : 0;
		if (n > 0)
			acknowledge(leg);
		if (n < 0) /* closed with unread bytes: it is gone */
			program_gone(leg);
		if (n <= 0)
			program_done(leg);
	}
}

/* ---- until it is open ---- */

/*
 * The thread that dials may have been copied before it called connect(): it is
 * given time for that.  And where it was told why TCP failed the kernel does
 * not tell us.
 */
static void look_for_dialler(struct relay_leg *leg)
{
	struct conn *c = leg->c;
	int64_t now = clock_now();
	int told = atomic_load(c->outcome);

	if (sock_tcp_state(c->real) != TCP_CLOSE)
		leg->unasked = 0;
	else if (!leg->unasked)
		leg->unasked = now;
	else if (told != EINPROGRESS)
		conn_fail(c, told, NULL);
	else if (now - leg->unasked > DIALLER_NS)
		conn_fail(c, ECONNABORTED, NULL);
}

/* What became of it.  The program says itself why TCP failed, but here only
 * where a thread of it waits to be told. */
static void tell_outcome(struct conn *c)
{
	int told = c->state == CONN_FAILED ? c->error : 0;
	int before = atomic_exchange(c->outcome, told);

	if (told && !c->started && before == EINPROGRESS)
		report_refused(c, told, strerrordesc_np(told), NULL);
}

/* The handshake goes on here.  A failure is a reset for the program. */
static void open_leg(struct relay_leg *leg, short real_events)
{
	struct conn *c = leg->c;
	bool pulls = c->state == CONN_HANDSHAKING &&
		     (leg->sleepers || (real_events & ~POLLOUT));

	if (pulls && must_let_sleepers_out(leg))
		return;
	conn_advance(c);
	if (c->state == CONN_CONNECTING)
		look_for_dialler(leg);
	if (conn_is_opening(c))
		return;
	leg->broken = c->state == CONN_FAILED;
	leg->progress = clock_now();
	tell_outcome(c);
}

static bool may_open(const struct relay_leg *leg, short real_events)
{
	const struct conn *c = leg->c;

	return conn_is_opening(c) &&
	       (real_events || leg->sleepers || leg->unasked ||
		       (c->state == CONN_HANDSHAKING &&
			       clock_now() >= c->handshake_end));
}

/* ---- the whole ---- */

/* What the kernel has it goes on sending. */
static void give_up(const struct relay_leg *leg)
{
	if (conn_is_opening(leg->c) && has(&leg->to_peer))
		log_line(LOG_LEVEL_ERROR,
			"%s: the connection does not open, what the program "
			"has left is lost (TLSSHIM_LINGER)",
			leg->c->destination);
	else if (!conn_is_opening(leg->c) && !leg->fin_sent)
		report_lost(leg->c);
}

/* Its end would not be seen, or while the connection opens is there. */
static bool is_stuck(const struct relay_leg *leg)
{
	if (leg->program_done)
		return conn_is_opening(leg->c);
	return !leg->write_broken && (has(&leg->to_peer) || has_output(leg));
}

static int64_t look_at_owner(const struct relay_leg *leg)
{
	return leg->progress +
	       (leg->linger > OWNER_NS ? leg->linger : OWNER_NS);
}

/* Its end comes behind bytes for which there is no room, so that it is not
 * seen: is there somebody at all? */
static bool is_abandoned(struct relay_leg *leg)
{
	int64_t now = clock_now();

	if (!is_stuck(leg) || now < look_at_owner(leg))
		return false;
	leg->progress = now;
	return !owner_exists(leg->inner);
}

/*
 * The program is done and the peer has the end.  Probes would tell after a
 * minute whether the program closed: whoever stops a service waits for the
 * relay.  Asked ever more rarely, for a half-closed program may wait long.
 */
static void look_for_program(struct relay_leg *leg)
{
	int64_t now = clock_now();

	if (!leg->fin_sent || leg->peer_done || leg->program_gone ||
		now < leg->look)
		return;
	leg->look_gap *= 2;
	leg->look = now + leg->look_gap;
	if (!owner_exists(leg->inner))
		program_gone(leg);
}

/*
 * Is it over?
 *  - both directions have ended and both sides know;
 *  - the peer broke off, and the program has what came before that;
 *  - the peer takes no more, and the program has the end of what it said;
 *  - nobody has the program's socket any more, and the peer has all;
 *  - the same before the connection is open, and there is nothing to send;
 *  - the program is done, and the peer takes nothing for too long.
 */
static bool is_finished(struct relay_leg *leg)
{
	bool delivered =
		leg->program_gone ||
		(!has(&leg->to_program) && sock_unsent(leg->inner) == 0);

	if (leg->fin_sent && leg->peer_done && leg->peer_told)
		return true;
	if (leg->write_broken && leg->peer_done && leg->peer_told)
		leg->broken = true;
	if (leg->broken)
		return delivered;
	if (leg->program_gone && leg->fin_sent &&
		sock_unsent(leg->c->real) == 0)
		return true;
	if (leg->program_gone && conn_is_opening(leg->c) && !has(&leg->to_peer))
		return true;
	if (!is_abandoned(leg) &&
		((!leg->program_gone &&
			 (leg->fin_sent || conn_is_opening(leg->c))) ||
			!leg->program_done ||
			clock_now() - leg->progress < leg->linger))
		return false;
	give_up(leg);
	return true;
}

void leg_step(struct relay_leg *leg, short real_events, short inner_events)
{
	struct conn *c = leg->c;

	if (may_open(leg, real_events)) {
		open_leg(leg, real_events);
		/* The server's first words may have come with its last. */
		real_events = conn_is_opening(c) ? 0 : POLLIN;
		if (c->state == CONN_FAILED) {
			end_leg(leg);
			return;
		}
	}
	if (has_output(leg))
		flush(leg);
	pump_to_peer(leg);
	if (leg->program_done && (inner_events & (POLLERR | POLLHUP)))
		program_gone(leg);
	push_to_program(leg);
	if (!conn_is_opening(c) &&
		(real_events || leg->sleepers ||
			c->tls->pending_in(c->session)) &&
		!leg->peer_done && !has(&leg->to_program) &&
		!must_let_sleepers_out(leg))
		pump_to_program(leg);
	push_to_program(leg); /* the end, if there is one to tell */
	finish_to_peer(leg);
	look_for_program(leg);
	if (is_finished(leg))
		end_leg(leg);
}

/* What a handshake waits for, on the real socket. */
static short opening_asks(const struct relay_leg *leg)
{
	struct ready_state st = conn_ready(leg->c, false);
	short events = leg->unasked ? 0 : ready_ask(&st, 0);

	return leg->sleepers ? events & ~POLLIN : events;
}

void leg_ask(const struct relay_leg *leg, struct pollfd *real_socket,
	struct pollfd *inner)
{
	bool out = has_output(leg);
	bool room = !has(&leg->to_peer) && !out && !leg->write_broken;

	*real_socket = (struct pollfd){.fd = -1};
	*inner = (struct pollfd){.fd = -1};
	if (conn_is_opening(leg->c))
		real_socket->events = opening_asks(leg);
	else if (!leg->peer_done && !has(&leg->to_program) && !leg->sleepers)
		real_socket->events |= POLLIN;
	if (out || (has(&leg->to_peer) && !leg->write_broken &&
			   !conn_is_opening(leg->c)))
		real_socket->events |= POLLOUT;
	if (!leg->program_done && room)
		inner->events |= POLLIN;
	if (has(&leg->to_program))
		inner->events |= POLLOUT;
	/* HUP and ERR come unasked: do not turn in circles on them. */
	if (real_socket->events)
		real_socket->fd = leg->c->real;
	if (inner->events ||
		(leg->program_done && !leg->program_gone && !leg->peer_told))
		inner->fd = leg->inner;
}

static int64_t opening_deadline(const struct relay_leg *leg, int64_t now)
{
	const struct conn *c = leg->c;
	int64_t end = INT64_MAX;

	if (leg->sleepers)
		return now + NS_PER_MS;
	if (leg->unasked)
		return now + 10 * NS_PER_MS;
	if (c->state == CONN_HANDSHAKING)
		end = c->handshake_end;
	if (leg->program_gone && leg->progress + leg->linger < end)
		end = leg->progress + leg->linger;
	if (is_stuck(leg) && look_at_owner(leg) < end)
		end = look_at_owner(leg);
	return end;
}

int64_t leg_deadline(const struct relay_leg *leg, int64_t now)
{
	const struct conn *c = leg->c;

	if (conn_is_opening(c))
		return opening_deadline(leg, now);
	if (!leg->peer_done && !has(&leg->to_program) && !leg->sleepers &&
		c->tls->pending_in(c->session))
		return now;
	if (leg->sleepers)
		return now + NS_PER_MS;
	/* The kernel has no event for a queue that is empty. */
	if (leg->broken || (leg->program_gone && leg->fin_sent))
		return now + 5 * NS_PER_MS + (now - leg->progress) / 8;
	if (leg->program_done && !leg->fin_sent)
		return leg->progress + leg->linger;
	if (leg->fin_sent && !leg->peer_done)
		return leg->look;
	if (is_stuck(leg))
		return look_at_owner(leg);
	return INT64_MAX;
}

bool leg_begin(struct relay_leg *leg)
{
	leg->progress = clock_now();
	leg->to_program.bytes = map_memory(BUFFER_SIZE);
	leg->to_peer.bytes = map_memory(BUFFER_SIZE);
	/* It was closed before. */
	leg->program_done = leg->inner < 0;
	if (leg->program_done)
		program_gone(leg);
	return leg->to_program.bytes && leg->to_peer.bytes;
}
