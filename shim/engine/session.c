/* SPDX-License-Identifier: MIT */
/*
 * One TLS connection: its life and handshake.
 */
#include "engine/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include "engine/arena.h"
#include "engine/control.h"
#include "engine/describe.h"
#include "engine/explain.h"
#include "engine/failure.h"
#include "engine/text.h"
#include "engine/trace.h"

enum tls_result session_fail(struct tls_session *s)
{
	s->ended = TLS_FAILED;
	return TLS_FAILED;
}

enum tls_result session_output_failed(struct tls_session *s)
{
	if (s->ended != TLS_FAILED)
		explain_transport(
			s, s->wire.out_errno ? s->wire.out_errno : EPIPE);
	return TLS_FAILED;
}

/* Does OpenSSL wait for the rest of a record?  Its header is read by itself. */
static bool is_within_record(const struct tls_session *s)
{
	return SSL_has_pending(s->ssl) ||
	       !strcmp(SSL_rstate_string(s->ssl), "RB");
}

/* TLSSHIM_EOF=insecure-lax. */
static bool is_lax_end(const struct tls_session *s)
{
	return s->open && s->ctx->settings->eof_insecure_lax &&
	       !s->wire.in_errno && s->wire.out_errno != ECONNRESET &&
	       !is_within_record(s);
}

/*
 * Nothing more comes from the transport.  RFC 8446, section 6.1: without
 * close_notify before it, the end may be an attacker's.
 */
static enum tls_result input_ended(struct tls_session *s)
{
	struct wire *w = &s->wire;

	if (is_lax_end(s)) {
		s->ended = TLS_EOF;
		return TLS_EOF;
	}

	if (!s->open && failure_set_not_tls(&s->failure, w->first, w->n_first))
		return session_fail(s);
	if (w->in_errno == ENOMEM)
		failure_set(&s->failure, TLS_FAIL_MEMORY, "out of memory");
	else if (w->in_errno)
		explain_transport(s, w->in_errno);
	/* The kernel tells of a reset only once: the sender. */
	else if (w->out_errno == ECONNRESET)
		explain_transport(s, w->out_errno);
	else
		explain_end(s);
	return session_fail(s);
}

/* OpenSSL gave up; it may have left an alert in the output buffer. */
static enum tls_result protocol_failed(struct tls_session *s)
{
	struct wire *w = &s->wire;

	/* RFC 8446, section 6.2: what a failed connection left is forgotten. */
	tickets_forget(&s->ctx->tickets, s->id);
	if (control_is_exceeded(s)) {
		ERR_clear_error();
		return control_fail(s);
	}
	/* verify.c has said it already */
	if (s->failure.kind == TLS_FAIL_TRUST)
		ERR_clear_error();
	else if (s->open ||
		 !failure_set_not_tls(&s->failure, w->first, w->n_first))
		explain_protocol(s);
	return session_fail(s);
}

enum tls_result session_stopped(struct tls_session *s, int ret)
{
	switch (SSL_get_error(s->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		if (control_is_exceeded(s))
			return control_fail(s);
		if (s->wire.in_eof || s->wire.in_errno)
			return input_ended(s);
		return TLS_WANT_READ;
	case SSL_ERROR_ZERO_RETURN:
		s->ended = TLS_EOF;
		return TLS_EOF;
	default:
		return protocol_failed(s);
	}
}

/* RFC 6066, section 3: an address is no server name. */
static bool set_sni(SSL *ssl, const char *name)
{
	unsigned char ip[16];

	if (!name || inet_pton(AF_INET, name, ip) == 1 ||
		inet_pton(AF_INET6, name, ip) == 1)
		return true;
	/* The macro for it casts the const away. */
	return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
		       TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)name) == 1;
}

static bool set_up(struct tls_session *s)
{
	SSL_SESSION *ticket;
	BIO *bio;

	s->ssl = SSL_new(s->ctx->ssl);
	bio = s->ssl ? wire_bio(&s->wire) : NULL;
	if (!bio)
		return false;
	SSL_set_bio(s->ssl, bio, bio);
	SSL_set_app_data(s->ssl, s);
	SSL_set_connect_state(s->ssl);
	trace_install(s);
	control_install(s);
	if (!set_sni(s->ssl, s->id->is.sni))
		return false;
	ticket = tickets_take(&s->ctx->tickets, s->id,
		context_resume_seconds(s->ctx), &s->verdict);
	if (ticket) {
		SSL_set_session(s->ssl, ticket);
		SSL_SESSION_free(ticket);
	}
	return true;
}

struct tls_session *session_new(struct tls_context *ctx,
	const struct tls_identity *id, const struct tls_transport *transport,
	void *owner)
{
	struct tls_session *s = arena_zalloc(sizeof(*s));

	if (!s)
		return NULL;
	ERR_clear_error();
	s->ctx = context_get(ctx);
	s->wire.transport = *transport;
	s->wire.owner = owner;
	s->window = 1;
	s->id = identity_new(id);
	if (!s->id || !set_up(s)) {
		session_free(s);
		return NULL;
	}
	return s;
}

void session_free(struct tls_session *s)
{
	if (!s)
		return;
	/* Else OpenSSL holds an end without close_notify against the
	 * session's ticket, and will not resume it. */
	if (s->ssl)
		SSL_set_shutdown(
			s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(s->ssl);
	wire_clear(&s->wire);
	arena_free(s->waiting.buf);
	identity_free(s->id);
	arena_free(s->refusal);
	context_put(s->ctx);
	arena_free(s);
}

/*
 * The handshake is done as far as OpenSSL is concerned.  A cipher without a
 * certificate, should openssl.cnf allow one, is not done for us.
 */
static enum tls_result finish_handshake(struct tls_session *s)
{
	if ((!s->verified && !SSL_session_reused(s->ssl)) ||
		SSL_get_verify_result(s->ssl) != X509_V_OK) {
		failure_set(&s->failure, TLS_FAIL_TRUST,
			"the server did not prove its identity");
		return session_fail(s);
	}
	s->open = true;
	control_forgive(s);
	return TLS_OK;
}

static enum tls_result do_handshake(struct tls_session *s)
{
	enum tls_result result;
	int ret;

	ERR_clear_error();
	ret = SSL_do_handshake(s->ssl);
	result = ret == 1 ? finish_handshake(s) : session_stopped(s, ret);
	if (result == TLS_EOF)
		return input_ended(s);
	/* Fewer than the five bytes that OpenSSL waits for may tell. */
	if (result == TLS_WANT_READ && failure_set_not_tls(&s->failure,
					       s->wire.first, s->wire.n_first))
		return session_fail(s);
	return result;
}

/* Sending failed.  What the peer said before it went away tells more. */
static enum tls_result hear_why(struct tls_session *s)
{
	if (do_handshake(s) != TLS_FAILED)
		session_output_failed(s);
	return session_fail(s);
}

enum tls_result session_handshake(struct tls_session *s)
{
	enum tls_result result, out;

	if (s->ended == TLS_FAILED)
		return TLS_FAILED;
	result = s->open ? TLS_OK : do_handshake(s);
	s->wire.satisfied = false;
	out = wire_flush(&s->wire);
	wire_relax(&s->wire);
	if (result != TLS_WANT_READ)
		return result;
	if (out == TLS_FAILED)
		return hear_why(s);
	return out == TLS_WANT_WRITE ? TLS_WANT_WRITE : TLS_WANT_READ;
}

enum tls_result session_flush(struct tls_session *s)
{
	enum tls_result result = wire_flush(&s->wire);

	if (result == TLS_FAILED)
		return session_output_failed(s);
	return result;
}

enum tls_result session_shutdown(struct tls_session *s)
{
	if (s->open && !s->close_sent && s->ended != TLS_FAILED) {
		s->close_sent = true;
		ERR_clear_error();
		/* Only sends: to wait for the peer's is a second call. */
		SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
	return session_flush(s);
}

bool session_rest(const struct tls_session *s, const void **bytes, size_t *len)
{
	bool may_be_refused = s->client_cert_asked && !s->received;

	if (!s->close_sent || s->wire.out_errno || may_be_refused)
		return false;
	*len = wire_pending(&s->wire);
	*bytes = *len ? s->wire.out + s->wire.out_off : NULL;
	return true;
}

void session_info(const struct tls_session *s, struct tls_info *info)
{
	const X509 *peer = SSL_get0_peer_certificate(s->ssl);
	const char *group = SSL_group_to_name(
		s->ssl, (int)SSL_get_negotiated_group(s->ssl));
	struct text subject = text_in(info->subject, sizeof(info->subject));
	struct text issuer = text_in(info->issuer, sizeof(info->issuer));
	struct text alpn = text_in(info->alpn, sizeof(info->alpn));
	struct text names = text_in(info->names, sizeof(info->names));
	struct text not_before =
		text_in(info->not_before, sizeof(info->not_before));
	struct text not_after =
		text_in(info->not_after, sizeof(info->not_after));
	const unsigned char *protocol = NULL;
	unsigned n = 0;

	info->version = SSL_get_version(s->ssl);
	info->cipher = SSL_get_cipher_name(s->ssl);
	info->group = group ? group : "";
	info->resumed = SSL_session_reused(s->ssl);
	info->received = s->received;
	info->sent = s->sent;
	SSL_get0_alpn_selected(s->ssl, &protocol, &n);
	text_add_escaped(&alpn, protocol, n);
	if (!peer)
		return;
	describe_name(&subject, X509_get_subject_name(peer));
	describe_name(&issuer, X509_get_issuer_name(peer));
	describe_alt_names(&names, (X509 *)(uintptr_t)peer);
	describe_date(&not_before, X509_get0_notBefore(peer));
	describe_date(&not_after, X509_get0_notAfter(peer));
}
