/* SPDX-License-Identifier: MIT */
/*
 * One session of tls_peer.c: what goes over it, record by record, with TLS or
 * without.  Each action returns NULL or why it failed, and that stays.
 */
#ifndef TLS_SESSION_H
#define TLS_SESSION_H

#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "pattern.h"

#define CHUNK 65536

struct session {
	int fd;
	SSL *ssl;
	BIO *out; /* what SSL wrote and the socket has not got */
	size_t sent, got;
	char *kept; /* the other half of a record */
	size_t n_kept;
	pthread_t streamer;
	bool streams;
	unsigned seed;
	size_t to_send, to_read;
	const char *failed;
};

static const char *fail(struct session *s, const char *why)
{
	return s->failed = why;
}

/* ---- the wire ---- */

static const char *put(struct session *s, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = send(s->fd, buf, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(s, strerror(errno));
		buf = (const char *)buf + n;
		len -= (size_t)n;
	}
	return NULL;
}

/* All that SSL has written; with a seed in pieces. */
static const char *put_pending(struct session *s)
{
	char *bytes;
	long n = BIO_get_mem_data(s->out, &bytes), at = 0;

	while (at < n && !s->failed) {
		long piece = n - at;

		if (s->seed && rand_r(&s->seed) % 4 == 0)
			piece = 1 + rand_r(&s->seed) % piece;
		put(s, bytes + at, (size_t)piece);
		at += piece;
		if (s->seed && rand_r(&s->seed) % 8 == 0)
			usleep((unsigned)rand_r(&s->seed) % 2000);
	}
	(void)BIO_reset(s->out);
	return s->failed;
}

/* Reads for SSL; false: the end. */
static bool get(struct session *s)
{
	char buf[CHUNK];
	ssize_t n = recv(s->fd, buf, sizeof(buf), 0);

	if (n <= 0)
		return false;
	BIO_write(SSL_get_rbio(s->ssl), buf, (int)n);
	return true;
}

static const char *shake(struct session *s)
{
	while (s->ssl) {
		int r = SSL_do_handshake(s->ssl);

		if (put_pending(s))
			return s->failed;
		if (r == 1)
			break;
		if (SSL_get_error(s->ssl, r) != SSL_ERROR_WANT_READ || !get(s))
			return fail(s, "handshake");
	}
	return NULL;
}

/* ---- data ---- */

static const char *send_record(struct session *s, size_t len)
{
	char buf[CHUNK];

	while (len && !s->failed) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);

		pattern_fill(buf, s->sent, n);
		if (!s->ssl)
			put(s, buf, n);
		else if (SSL_write(s->ssl, buf, (int)n) == (int)n)
			put_pending(s);
		else
			return fail(s, "SSL_write");
		s->sent += n;
		len -= n;
	}
	return s->failed;
}

static const char *send_half(struct session *s, size_t len)
{
	char buf[CHUNK], *bytes;
	long n;

	if (!s->ssl) {
		s->n_kept = len;
		return NULL;
	}
	pattern_fill(buf, s->sent, len);
	s->sent += len;
	SSL_write(s->ssl, buf, (int)len);
	n = BIO_get_mem_data(s->out, &bytes);
	s->n_kept = (size_t)(n - n / 2);
	s->kept = malloc(s->n_kept);
	memcpy(s->kept, bytes + n / 2, s->n_kept);
	put(s, bytes, (size_t)(n / 2));
	(void)BIO_reset(s->out);
	return s->failed;
}

static const char *send_rest(struct session *s)
{
	if (!s->ssl)
		return send_record(s, s->n_kept);
	put(s, s->kept, s->n_kept);
	free(s->kept);
	s->kept = NULL;
	return s->failed;
}

static const char *send_ticket(struct session *s)
{
	if (!s->ssl)
		return NULL;
	if (SSL_new_session_ticket(s->ssl) != 1 ||
		SSL_do_handshake(s->ssl) != 1)
		return fail(s, "no ticket");
	return put_pending(s);
}

static const char *send_key_update(struct session *s)
{
	if (!s->ssl)
		return NULL;
	if (SSL_key_update(s->ssl, SSL_KEY_UPDATE_REQUESTED) != 1 ||
		SSL_do_handshake(s->ssl) != 1)
		return fail(s, "no key update");
	return put_pending(s);
}

/* Some of what the other end sent; 0: the end. */
static ssize_t read_some(struct session *s, char *buf, size_t len)
{
	while (s->ssl) {
		int r = SSL_read(s->ssl, buf, (int)len);

		put_pending(s);
		if (r > 0)
			return r;
		if (SSL_get_error(s->ssl, r) != SSL_ERROR_WANT_READ || !get(s))
			return 0;
	}
	return recv(s->fd, buf, len, 0);
}

static const char *read_pattern(struct session *s, size_t len)
{
	char buf[CHUNK];

	while (len) {
		ssize_t n = read_some(
			s, buf, len < sizeof(buf) ? len : sizeof(buf));

		if (n <= 0)
			return fail(s, "the end came early");
		if (!pattern_check(buf, s->got, (size_t)n))
			return fail(s, "other bytes");
		s->got += (size_t)n;
		len -= (size_t)n;
	}
	return NULL;
}

static const char *end(struct session *s)
{
	if (s->ssl) {
		SSL_shutdown(s->ssl);
		put_pending(s);
	}
	shutdown(s->fd, SHUT_WR);
	return s->failed;
}

static const char *close_session(struct session *s, bool reset)
{
	struct linger linger = {.l_onoff = reset};

	if (s->fd < 0)
		return NULL;
	if (!reset)
		end(s);
	setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(s->fd);
	SSL_free(s->ssl);
	s->ssl = NULL;
	s->fd = -1;
	return NULL;
}

/* ---- streams ---- */

/* What is there, without waiting: the other end may wait for us. */
static void read_present(struct session *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	char buf[CHUNK];
	ssize_t n;

	if (s->ssl && poll(&p, 1, 0) > 0 && !get(s))
		fail(s, "the end came early");
	if (s->ssl)
		n = SSL_read(s->ssl, buf, sizeof(buf));
	else
		n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (s->ssl)
		put_pending(s);
	if (n <= 0)
		return;
	if (!pattern_check(buf, s->got, (size_t)n))
		fail(s, "other bytes");
	s->got += (size_t)n;
	s->to_read -= (size_t)n;
}

static size_t some(struct session *s, size_t left)
{
	static const size_t sizes[] = {1, 30, 500, 5000, 16384, 60000};
	size_t n = sizes[rand_r(&s->seed) % 6];

	n = 1 + (size_t)rand_r(&s->seed) % n;
	return n < left ? n : left;
}

static void send_something(struct session *s)
{
	size_t n = some(s, s->to_send);
	int dice = rand_r(&s->seed) % 16;

	if (dice == 0)
		send_ticket(s);
	else if (dice == 1)
		send_key_update(s);
	send_record(s, n);
	s->to_send -= n;
	if (dice < 4)
		usleep((unsigned)rand_r(&s->seed) % 3000);
}

static void *stream(void *arg)
{
	struct session *s = arg;

	while (!s->failed && s->to_send) {
		send_something(s);
		read_present(s);
	}
	if (!s->failed)
		read_pattern(s, s->to_read);
	end(s);
	return NULL;
}

#endif
