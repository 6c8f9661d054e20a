/* SPDX-License-Identifier: MIT */
/*
 * The laboratory: a server of OpenSSL's and a transport of memory.  The
 * certificates are engine_certs.c's.
 */
#include "engine_lab.h"

#include <errno.h>
#include <openssl/err.h>

/*
 * ThreadSanitizer sees what OpenSSL reads and frees, but not the atomic
 * counts by which it knows that it may.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "called_from_lib:libcrypto.so\n"
	       "called_from_lib:libssl.so\n";
}

/* ---- the transport ---- */

static size_t allowed(struct lab *l, size_t want, size_t step, size_t budget)
{
	if (step && want > step)
		want = step;
	if (l->random_steps && want > 1)
		want = 1 + (size_t)rand() % want;
	return want < budget ? want : budget;
}

static ssize_t transport_recv(void *owner, void *buf, size_t len)
{
	struct lab *l = owner;
	size_t n = allowed(l, len, l->recv_step, l->recv_budget);
	int got;

	l->recvs++;
	errno = EDOM; /* a callback may leave anything here */
	if (!n)
		return -EAGAIN;
	got = BIO_read(l->to_client, buf, (int)n);
	if (got > 0) {
		if (l->recv_budget != SIZE_MAX)
			l->recv_budget -= (size_t)got;
		return got;
	}
	if (l->recv_error)
		return -l->recv_error;
	return l->end ? 0 : -EAGAIN;
}

static ssize_t transport_send(void *owner, const void *buf, size_t len)
{
	struct lab *l = owner;
	size_t n = allowed(l, len, l->send_step, l->send_budget);

	l->sends++;
	errno = EDOM;
	if (l->send_error)
		return -l->send_error;
	if (!n)
		return -EAGAIN;
	if (l->send_budget != SIZE_MAX)
		l->send_budget -= n;
	assert_int_equal(BIO_write(l->to_server, buf, (int)n), n);
	return (ssize_t)n;
}

static void transport_trace(void *owner, const char *step)
{
	struct lab *l = owner;

	l->n_trace += (size_t)snprintf(l->trace + l->n_trace,
		sizeof(l->trace) - l->n_trace, "%s\n", step);
	assert_true(l->n_trace < sizeof(l->trace));
}

/* ---- the server ---- */

SSL_CTX *lab_server_ctx(const struct lab_options *o)
{
	const struct lab_cert *c = o->cert ? o->cert : lab_leaf();
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_non_null(ctx);
	/* Old versions are there to be refused by the client. */
	SSL_CTX_set_cipher_list(ctx, "DEFAULT:@SECLEVEL=0");
	SSL_CTX_set_min_proto_version(ctx, o->min_version);
	SSL_CTX_set_max_proto_version(ctx, o->max_version);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"lab", 3);
	assert_int_equal(SSL_CTX_use_certificate(ctx, c->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, c->key), 1);
	if (o->extra)
		SSL_CTX_add1_chain_cert(ctx, o->extra->cert);
	return ctx;
}

static void make_server(struct lab *l, const struct lab_options *o)
{
	SSL_CTX *ctx = o->server_ctx;

	if (ctx)
		SSL_CTX_up_ref(ctx);
	else
		ctx = lab_server_ctx(o);
	l->server = SSL_new(ctx);
	SSL_CTX_free(ctx);
	l->to_server = BIO_new(BIO_s_mem());
	l->to_client = BIO_new(BIO_s_mem());
	SSL_set_bio(l->server, l->to_server, l->to_client);
	SSL_set_accept_state(l->server);
}

void lab_open(struct lab *l, const struct lab_options *o)
{
	static const struct tls_identity usual = {.sni = "db.example.com",
		.names = {"db.example.com"},
		.n_names = 1};
	struct tls_transport transport = {transport_recv, transport_send, NULL};
	struct lab_options none = {0};

	if (!o)
		o = &none;
	memset(l, 0, sizeof(*l));
	l->recv_budget = l->send_budget = SIZE_MAX;
	make_server(l, o);
	if (o->traced)
		transport.trace = transport_trace;
	l->client = tlsshim_engine.session_new(o->ctx ? o->ctx : lab_context(),
		o->id ? o->id : &usual, &transport, l);
	assert_non_null(l->client);
}

void lab_close(struct lab *l)
{
	tlsshim_engine.session_free(l->client);
	/* Tickets of the server's outlive it only if it ended well. */
	SSL_set_shutdown(l->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(l->server);
	free(l->got);
	ERR_clear_error();
}

static void take(struct lab *l, const void *buf, size_t len)
{
	if (l->n_got + len > l->size_got) {
		l->size_got = 2 * (l->n_got + len);
		l->got = realloc(l->got, l->size_got);
		assert_non_null(l->got);
	}
	memcpy(l->got + l->n_got, buf, len);
	l->n_got += len;
}

void lab_serve(struct lab *l)
{
	char buf[16384];
	int n;

	do {
		ERR_clear_error();
		n = SSL_read(l->server, buf, sizeof(buf));
		if (n > 0)
			take(l, buf, (size_t)n);
	} while (n > 0);
	/* The first fatal error stays: after it OpenSSL only repeats itself. */
	if (l->server_error != SSL_ERROR_SSL)
		l->server_error = SSL_get_error(l->server, n);
	if (ERR_peek_error())
		l->server_reason = ERR_GET_REASON(ERR_peek_error());
	ERR_clear_error();
}

enum tls_result lab_shake(struct lab *l)
{
	enum tls_result r = TLS_WANT_READ;
	unsigned rounds = 0;

	while ((r == TLS_WANT_READ || r == TLS_WANT_WRITE) &&
		rounds++ < 20000) {
		r = tlsshim_engine.handshake(l->client);
		lab_serve(l);
	}
	while (r == TLS_OK && tlsshim_engine.pending_out(l->client) &&
		rounds++ < 20000)
		tlsshim_engine.flush(l->client);
	lab_serve(l);
	return r;
}

void lab_connect(struct lab *l, const struct lab_options *o)
{
	lab_open(l, o);
	if (lab_shake(l) != TLS_OK)
		fail_msg("handshake: %s",
			tlsshim_engine.failure(l->client)->text);
	assert_int_equal(SSL_is_init_finished(l->server), 1);
}

void lab_connect_quiet(struct lab *l, const struct lab_options *o)
{
	lab_connect(l, o);
	/* The tickets of TLS 1.3. */
	assert_int_equal(tlsshim_engine.probe(l->client), TLS_WANT_READ);
	l->recvs = l->sends = 0;
}

void lab_server_write(struct lab *l, const void *bytes, size_t len)
{
	size_t n;

	assert_int_equal(SSL_write_ex(l->server, bytes, len, &n), 1);
	assert_int_equal(n, len);
}

/* ---- the client ---- */

enum tls_result lab_read(struct lab *l, void *buf, size_t len, size_t *done)
{
	struct iovec iov = {buf, len};

	return tlsshim_engine.readv(l->client, &iov, 1, done);
}

enum tls_result lab_write_some(
	struct lab *l, const void *buf, size_t len, size_t *done)
{
	struct iovec iov = {(void *)(uintptr_t)buf, len};

	return tlsshim_engine.writev(l->client, &iov, 1, done);
}

size_t lab_in_flight(const struct lab *l)
{
	return BIO_ctrl_pending(l->to_client);
}

void lab_assert_failure(struct lab *l, enum tls_failure_kind kind, ...)
{
	const struct tls_failure *f = tlsshim_engine.failure(l->client);
	const char *part, *p;
	va_list ap;

	if (f->kind != kind)
		fail_msg("failure of kind %d, not %d: %s", (int)f->kind,
			(int)kind, f->text);
	va_start(ap, kind);
	while ((part = va_arg(ap, const char *))) {
		if (!strstr(f->text, part))
			fail_msg("no \"%s\" in: %s", part, f->text);
	}
	va_end(ap);
	for (p = f->text; *p; p++)
		assert_uint_in_range(*p, ' ', '~');
}

/* Of prime length, so that no block size hides a shift. */
static unsigned char pattern_at(size_t i)
{
	return (unsigned char)(i % 251 + i / 65521);
}

void lab_pattern(void *buf, size_t len, size_t offset)
{
	unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = pattern_at(offset + i);
}

void lab_assert_pattern(const void *buf, size_t len, size_t offset)
{
	const unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] != pattern_at(offset + i))
			fail_msg("byte %zu of the stream is wrong", offset + i);
	}
}
