/* SPDX-License-Identifier: MIT */
/*
 * Plaintext through an open session: straight between OpenSSL and the
 * caller's buffers wherever that is possible.  Knows records as far as their
 * size matters, and nothing of handshakes.
 */
#include "engine/transfer.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include "engine/arena.h"
#include "engine/control.h"
#include "engine/explain.h"
#include "engine/failure.h"

#define RECORD ((size_t)SSL3_RT_MAX_PLAIN_LENGTH)
/* Header, nonce, padding and MAC of the worst cipher of TLS 1.2. */
#define RECORD_OVERHEAD ((size_t)96)
/* Records encrypted ahead of a transport that took all so far.  With more of
 * them the peer waits for the first while we encrypt the last. */
#define WINDOW_MAX 2
#define WAITING_MAX ((size_t)1 << 20)
#define WAITING_FIRST ((size_t)16384 - ARENA_OVERHEAD)

/* A place in the caller's buffers. */
struct cursor {
	const struct iovec *iov;
	int n; /* of iov, the current one included */
	size_t off;
};

/* Contiguous bytes at the cursor, over empty buffers; 0: the end. */
static size_t cursor_room(struct cursor *c)
{
	while (c->n > 0 && c->off == c->iov->iov_len) {
		c->iov++;
		c->n--;
		c->off = 0;
	}
	return c->n > 0 ? c->iov->iov_len - c->off : 0;
}

static void *cursor_at(const struct cursor *c)
{
	return (char *)c->iov->iov_base + c->off;
}

/* All bytes from the cursor to the end, or limit when there are more. */
static size_t cursor_left(const struct cursor *c, size_t limit)
{
	size_t left = 0;
	int i;

	for (i = 0; i < c->n && left < limit; i++)
		left += c->iov[i].iov_len - (i ? 0 : c->off);
	return left < limit ? left : limit;
}

/* Copies between buf and the caller's buffers, as much as both have. */
static size_t copy_out(struct cursor *c, const char *buf, size_t len)
{
	size_t n, copied = 0;

	while (copied < len && (n = cursor_room(c))) {
		if (n > len - copied)
			n = len - copied;
		memcpy(cursor_at(c), buf + copied, n);
		c->off += n;
		copied += n;
	}
	return copied;
}

static size_t copy_in(struct cursor *c, char *buf, size_t len)
{
	size_t n, copied = 0;

	while (copied < len && (n = cursor_room(c))) {
		if (n > len - copied)
			n = len - copied;
		memcpy(buf + copied, cursor_at(c), n);
		c->off += n;
		copied += n;
	}
	return copied;
}

/* ---- reading ---- */

static enum tls_result read_some(
	struct tls_session *s, void *buf, size_t len, size_t *n)
{
	if (s->ended != TLS_OK)
		return s->ended;
	if (!s->open)
		return TLS_WANT_READ;
	session_forget_errors();
	if (SSL_read_ex(s->ssl, buf, len, n)) {
		s->received += *n;
		control_forgive(s);
		return TLS_OK;
	}
	return session_stopped(s, 0);
}

/* After each call that let OpenSSL read: it may have answered something. */
static void settle(struct tls_session *s)
{
	s->wire.satisfied = false;
	wire_flush(&s->wire);
	wire_relax(&s->wire);
}

static size_t waiting(const struct tls_session *s)
{
	return s->waiting.len - s->waiting.off;
}

static size_t take_waiting(struct tls_session *s, struct cursor *c)
{
	struct waiting *w = &s->waiting;
	size_t n = copy_out(c, w->buf + w->off, waiting(s));

	w->off += n;
	if (w->off == w->len) {
		arena_free(w->buf);
		*w = (struct waiting){NULL, 0, 0, 0};
	}
	return n;
}

/* Would OpenSSL only find out that there is nothing more? */
static bool is_dry(const struct tls_session *s)
{
	return s->wire.drained && !wire_has_input(&s->wire) &&
	       !SSL_has_pending(s->ssl);
}

/* Does the peer put messages between its bytes so that reading them costs far
 * more than the bytes are worth?  before: s->control.total at first. */
static bool has_worked_enough(const struct tls_session *s, unsigned before)
{
	return s->control.total - before >= CONTROL_MESSAGES_A_CALL;
}

enum tls_result transfer_readv(
	struct tls_session *s, const struct iovec *iov, int n_iov, size_t *done)
{
	struct cursor c = {iov, n_iov, 0};
	unsigned before = s->control.total;
	enum tls_result result = TLS_OK;
	size_t room, n;

	*done = s->waiting.buf ? take_waiting(s, &c) : 0;
	s->wire.satisfied = *done > 0;
	while ((room = cursor_room(&c)) && !(*done && is_dry(s))) {
		result = read_some(s, cursor_at(&c), room, &n);
		if (result != TLS_OK)
			break;
		c.off += n;
		*done += n;
		s->wire.satisfied = true;
		if (has_worked_enough(s, before)) {
			settle(s);
			return TLS_PAUSED;
		}
	}
	settle(s);
	return *done ? TLS_OK : result;
}

enum tls_result transfer_probe(struct tls_session *s)
{
	enum tls_result result;
	size_t n;
	char byte;

	/* The transport is not asked where bytes wait: it may have more by
	 * now, whatever it said last. */
	s->wire.drained = false;
	if (waiting(s))
		return TLS_OK;
	if (s->ended != TLS_OK)
		return s->ended;
	if (!s->open)
		return TLS_WANT_READ;
	if (SSL_pending(s->ssl) > 0)
		return TLS_OK;
	session_forget_errors();
	result = SSL_peek_ex(s->ssl, &byte, 1, &n) ? TLS_OK
						   : session_stopped(s, 0);
	settle(s);
	return result;
}

bool transfer_pending_in(const struct tls_session *s)
{
	return waiting(s) || s->ended != TLS_OK || wire_has_input(&s->wire) ||
	       SSL_has_pending(s->ssl);
}

/* Room behind what is waiting; false: out of memory. */
static bool make_room(struct waiting *w)
{
	size_t size = w->size ? 2 * w->size + ARENA_OVERHEAD : WAITING_FIRST;
	char *fresh;

	if (w->len < w->size)
		return true;
	if (w->off) {
		memmove(w->buf, w->buf + w->off, w->len - w->off);
		w->len -= w->off;
		w->off = 0;
		return true;
	}
	fresh = arena_realloc(w->buf, size < WAITING_MAX ? size : WAITING_MAX);
	if (!fresh)
		return false;
	w->buf = fresh;
	w->size = size < WAITING_MAX ? size : WAITING_MAX;
	return true;
}

static enum tls_result fill_more(struct tls_session *s)
{
	struct waiting *w = &s->waiting;
	enum tls_result result;
	size_t n;

	if (!make_room(w)) {
		failure_set(&s->failure, TLS_FAIL_MEMORY, "out of memory");
		return session_fail(s);
	}
	result = read_some(s, w->buf + w->len, w->size - w->len, &n);
	if (result == TLS_OK)
		w->len += n;
	return result;
}

enum tls_result transfer_fill(struct tls_session *s, size_t want, size_t *avail)
{
	struct waiting *w = &s->waiting;
	enum tls_result result = TLS_OK;
	unsigned before = s->control.total;

	while (result == TLS_OK && waiting(s) < WAITING_MAX) {
		result = fill_more(s);
		if (result == TLS_OK && has_worked_enough(s, before))
			result = TLS_PAUSED;
		s->wire.satisfied = result == TLS_OK && waiting(s) >= want;
	}
	settle(s);
	*avail = waiting(s);
	if (!*avail) {
		arena_free(w->buf);
		*w = (struct waiting){NULL, 0, 0, 0};
	}
	return *avail >= want || *avail == WAITING_MAX ? TLS_OK : result;
}

size_t transfer_peekv(struct tls_session *s, const struct iovec *iov, int n_iov)
{
	struct cursor c = {iov, n_iov, 0};

	if (!waiting(s))
		return 0;
	return copy_out(&c, s->waiting.buf + s->waiting.off, waiting(s));
}

/* ---- writing ---- */

/* The wire takes all there is: what fails here is memory or the session. */
static bool encrypt(struct tls_session *s, const void *buf, size_t len)
{
	size_t n;

	session_forget_errors();
	if (SSL_write_ex(s->ssl, buf, len, &n)) {
		s->sent += n;
		control_forgive(s);
		return true;
	}
	explain_protocol(s);
	session_fail(s);
	return false;
}

/* One record out of several small buffers. */
static size_t encrypt_gathered(
	struct tls_session *s, struct cursor *c, size_t limit)
{
	char *stage = arena_alloc(RECORD);
	size_t n;

	if (!stage) {
		failure_set(&s->failure, TLS_FAIL_MEMORY, "out of memory");
		session_fail(s);
		return 0;
	}
	n = copy_in(c, stage, limit < RECORD ? limit : RECORD);
	if (!encrypt(s, stage, n))
		n = 0;
	arena_free(stage);
	return n;
}

/*
 * The next bytes at the cursor, which has some; 0: the session failed.
 *   the last buffer              as it is
 *   another, of whole records    those, as they are
 *   another                      gathered with what follows
 */
static size_t encrypt_next(
	struct tls_session *s, struct cursor *c, size_t limit)
{
	size_t n = cursor_room(c);

	if (n < cursor_left(c, limit))
		n -= n % RECORD;
	if (!n)
		return encrypt_gathered(s, c, limit);
	if (n > limit)
		n = limit;
	if (!encrypt(s, cursor_at(c), n))
		return 0;
	c->off += n;
	return n;
}

/* As much as the transport is likely to take; 0: the session failed. */
static size_t encrypt_window(struct tls_session *s, struct cursor *c)
{
	size_t limit = cursor_left(c, s->window * RECORD);
	size_t n, taken = 0;

	if (!wire_reserve(&s->wire, limit + s->window * RECORD_OVERHEAD)) {
		failure_set(&s->failure, TLS_FAIL_MEMORY, "out of memory");
		session_fail(s);
		return 0;
	}
	while (taken < limit) {
		n = encrypt_next(s, c, limit - taken);
		if (!n)
			break;
		taken += n;
	}
	return taken;
}

/* Type, version and length of a record, type and length of a message, and its
 * version. */
#define HELLO_HEAD 11

/*
 * RFC 8446, sections 5.1 and 4.1.2: is it a ClientHello, all of it, in one
 * record?  The program then speaks TLS itself, and within ours no server
 * answers it.
 */
static bool is_client_hello(struct cursor c)
{
	unsigned char b[HELLO_HEAD];
	size_t n = cursor_left(&c, 5 + RECORD), record;

	if (n < HELLO_HEAD || copy_in(&c, (char *)b, HELLO_HEAD) < HELLO_HEAD)
		return false;
	record = (size_t)b[3] << 8 | b[4];
	return b[0] == SSL3_RT_HANDSHAKE && b[1] == SSL3_VERSION_MAJOR &&
	       b[2] <= (TLS1_3_VERSION & 0xff) &&
	       b[5] == SSL3_MT_CLIENT_HELLO && b[9] == SSL3_VERSION_MAJOR &&
	       ((size_t)b[6] << 16 | (size_t)b[7] << 8 | b[8]) + 4 == record &&
	       n >= 5 + record;
}

static enum tls_result refuse_tls_in_tls(struct tls_session *s)
{
	failure_set(&s->failure, TLS_FAIL_PROTOCOL,
		"the program speaks TLS itself on this port (it begins with a "
		"ClientHello): do not select the port for it, or have it speak "
		"plaintext");
	return session_fail(s);
}

/* May writev() take anything at all? */
static enum tls_result writable(struct tls_session *s)
{
	if (s->ended == TLS_FAILED)
		return TLS_FAILED;
	if (!s->open)
		return TLS_WANT_READ;
	if (s->close_sent)
		return session_output_failed(s);
	return session_flush(s);
}

enum tls_result transfer_writev(
	struct tls_session *s, const struct iovec *iov, int n_iov, size_t *done)
{
	struct cursor c = {iov, n_iov, 0};
	enum tls_result result = writable(s);
	size_t n;

	*done = 0;
	if (result == TLS_OK && !s->sent && is_client_hello(c))
		return refuse_tls_in_tls(s);
	while (result == TLS_OK && cursor_room(&c)) {
		n = encrypt_window(s, &c);
		result = n ? session_flush(s) : TLS_FAILED;
		/* What a dead connection was given is not accepted. */
		if (result != TLS_FAILED)
			*done += n;
		if (result == TLS_OK && s->window < WINDOW_MAX)
			s->window *= 2;
	}
	if (result == TLS_WANT_WRITE)
		s->window = 1;
	return *done ? TLS_OK : result;
}
