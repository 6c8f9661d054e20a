/* SPDX-License-Identifier: MIT */
/*
 * What many sessions share.  The rules of every session are made here:
 * TLS 1.2 and later, a peer that is verified, no renegotiation.  What the
 * system's openssl.cnf says on top (ciphers, groups, a higher minimum) holds.
 */
#include "context.h"

#include <openssl/err.h>
#include "arena.h"
#include "failure.h"
#include "session.h"
#include "verify.h"

/* A ticket of a session whose peer was verified, by this handshake or by the
 * one that it resumed.  1: the reference is ours. */
static int keep_ticket(SSL *ssl, SSL_SESSION *ticket)
{
	struct tls_session *s = SSL_get_app_data(ssl);

	if (!s->verified && !SSL_session_reused(ssl))
		return 0;
	return tickets_put(&s->ctx->tickets, s->id, ticket);
}

static bool set_rules(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION);
	/* An idle connection holds no record buffers. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	verify_install(ctx);
	SSL_CTX_set_session_cache_mode(
		ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
	if (SSL_CTX_get_min_proto_version(ctx) >= TLS1_2_VERSION)
		return true;
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
}

static SSL_CTX *new_ssl_ctx(struct trust *trust)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		return NULL;
	if (!set_rules(ctx)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	X509_STORE_up_ref(trust_store(trust));
	SSL_CTX_set_cert_store(ctx, trust_store(trust));
	return ctx;
}

struct tls_context *context_new(
	const struct tls_settings *settings, struct tls_failure *why)
{
	struct tls_context *ctx;
	struct trust *trust;

	ERR_clear_error();
	trust = trust_new(settings, why);
	if (!trust)
		return NULL;
	ctx = arena_zalloc(sizeof(*ctx));
	if (ctx)
		ctx->ssl = new_ssl_ctx(trust);
	if (!ctx || !ctx->ssl) {
		const char *reason =
			ERR_reason_error_string(ERR_peek_last_error());

		failure_set(why, TLS_FAIL_SETUP,
			"OpenSSL gives no TLS context: %s",
			reason ? reason : "out of memory");
		arena_free(ctx);
		return NULL;
	}
	ctx->trust = trust;
	return ctx;
}

void context_preload(struct tls_context *ctx)
{
	trust_preload(ctx->trust);
}
