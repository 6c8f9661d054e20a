/* SPDX-License-Identifier: MIT */
/*
 * What many sessions share, and reading it again when files change.  The rules
 * of every session are made here and in protocol.c: TLS 1.2 and later, a peer
 * that is verified, no renegotiation.  What the system's openssl.cnf says on
 * top (ciphers, groups, a higher minimum) holds.
 */
#include "engine/context.h"

#include <openssl/err.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include "engine/arena.h"
#include "engine/credentials.h"
#include "engine/failure.h"
#include "engine/files.h"
#include "engine/protocol.h"
#include "engine/session.h"
#include "engine/staple.h"
#include "engine/text.h"
#include "engine/verify.h"

struct tls_context {
	struct tls_settings settings; /* its strings lie behind this struct */
	struct context *current;      /* guarded by `lock` */
	struct files files;	      /* of the last reading; one reloader's */
	/* Somebody looks at the files.  In the child of a fork during which
	 * another thread did, for ever: its list may be half made. */
	atomic_flag busy;
	atomic_long next_look; /* CLOCK_MONOTONIC, seconds */
	atomic_bool frozen;    /* no file is looked at any more */
};

/* Of every tls_context's current: held for a few loads.  No signal handler
 * meets it: whoever wants a context has the engine's lock
 * (tls/engine_lock.h). */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* A ticket of a session whose peer was verified, by this handshake or by the
 * one that it resumed.  0: the reference stays OpenSSL's. */
static int keep_ticket(SSL *ssl, SSL_SESSION *ticket)
{
	struct tls_session *s = SSL_get_app_data(ssl);

	if (!s->verified && !SSL_session_reused(ssl))
		return 0;
	if (verdict_holds(&s->verdict, context_resume_seconds(s->ctx)))
		tickets_put(&s->ctx->tickets, s->id, ticket, &s->verdict);
	return 0;
}

/* A resumed session is not verified again: not where revocation counts. */
static bool may_resume(const struct tls_settings *settings)
{
	return !settings->no_resume && !settings->crl_file &&
	       !settings->crl_dir && settings->ocsp != TLS_OCSP_REQUIRED;
}

unsigned context_resume_seconds(const struct context *c)
{
	if (!may_resume(c->settings))
		return 0;
	return c->settings->resume_seconds ? c->settings->resume_seconds
					   : TLS_RESUME_SECONDS;
}

static void set_rules(SSL_CTX *ctx, const struct tls_settings *settings)
{
	/* An idle connection holds no record buffers. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	verify_install(ctx, settings);
	staple_install(ctx, settings);
	SSL_CTX_set_session_cache_mode(
		ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	if (may_resume(settings))
		SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
	else
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
}

static bool new_ssl_ctx(struct context *c, struct tls_failure *why)
{
	c->ssl = SSL_CTX_new(TLS_client_method());
	if (!c->ssl) {
		const char *reason =
			ERR_reason_error_string(ERR_peek_last_error());

		failure_set(why, TLS_FAIL_SETUP,
			"OpenSSL gives no TLS context: %s",
			reason ? reason : "out of memory");
		return false;
	}
	if (!protocol_apply(c->ssl, c->settings, why) ||
		!credentials_apply(c->ssl, c->settings, why) ||
		!pins_load(&c->pins, c->settings, why))
		return false;
	set_rules(c->ssl, c->settings);
	X509_STORE_up_ref(trust_store(c->trust));
	SSL_CTX_set_cert_store(c->ssl, trust_store(c->trust));
	return true;
}

static struct files note_files(const struct tls_settings *settings)
{
	struct files files = {0};

	credentials_note(&files, settings);
	files_note(&files, settings->pin_file);
	return files;
}

/* Reads the files, and notes which they were. */
static struct context *build(const struct tls_settings *settings,
	struct files *files, struct tls_failure *why)
{
	struct context *c = arena_zalloc(sizeof(*c));

	*files = note_files(settings);
	failure_set(why, TLS_FAIL_MEMORY, "out of memory");
	if (!c)
		return NULL;
	atomic_init(&c->refs, 1);
	c->settings = settings;
	ERR_clear_error();
	c->trust = trust_new(settings, files, why);
	if (c->trust && new_ssl_ctx(c, why)) {
		failure_set(why, TLS_FAIL_NONE, "%s", "");
		return c;
	}
	ERR_clear_error();
	context_put(c);
	return NULL;
}

void context_put(struct context *c)
{
	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	tickets_clear(&c->tickets);
	pins_clear(&c->pins);
	SSL_CTX_free(c->ssl);
	trust_free(c->trust);
	arena_free(c);
}

/* ---- the settings, copied ---- */

/* Where the strings of the settings are. */
static const char **string_of(struct tls_settings *s, unsigned i)
{
	const char **all[] = {&s->ca_file, &s->ca_dir, &s->crl_file,
		&s->crl_dir, &s->pins, &s->pin_file, &s->cert, &s->key,
		&s->key_password_file, &s->alpn, &s->openssl, &s->keylog_file};

	return i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

static struct tls_context *copy_settings(const struct tls_settings *settings)
{
	struct tls_settings from = *settings;
	struct tls_context *ctx;
	const char **string;
	size_t size = sizeof(*ctx);
	char *at;

	for (unsigned i = 0; (string = string_of(&from, i)); i++)
		size += *string ? strlen(*string) + 1 : 0;
	ctx = arena_zalloc(size);
	if (!ctx)
		return NULL;
	ctx->settings = from;
	at = (char *)(ctx + 1);
	for (unsigned i = 0; (string = string_of(&ctx->settings, i)); i++) {
		size_t n = *string ? strlen(*string) + 1 : 0;

		if (n)
			*string = memcpy(at, *string, n);
		at += n;
	}
	return ctx;
}

struct tls_context *context_new(
	const struct tls_settings *settings, struct tls_failure *why)
{
	struct tls_context *ctx = copy_settings(settings);

	failure_set(why, TLS_FAIL_MEMORY, "out of memory");
	if (!ctx)
		return NULL;
	ctx->current = build(&ctx->settings, &ctx->files, why);
	if (ctx->current)
		return ctx;
	files_clear(&ctx->files);
	arena_free(ctx);
	return NULL;
}

/* ---- reading again ---- */

static void complain(
	const struct tls_context *ctx, const struct tls_failure *why)
{
	char line[700];
	struct text t = text_in(line, sizeof(line));

	if (!ctx->settings.complain)
		return;
	text_add(&t,
		"a changed file is not used, what was read before stays "
		"in force: %s",
		why->text);
	ctx->settings.complain(line);
}

static void swap(struct tls_context *ctx, struct context *fresh)
{
	struct context *old;

	pthread_mutex_lock(&lock);
	old = ctx->current;
	ctx->current = fresh;
	pthread_mutex_unlock(&lock);
	context_put(old);
}

static void read_again(struct tls_context *ctx)
{
	struct tls_failure why;
	struct context *fresh;

	files_clear(&ctx->files);
	fresh = build(&ctx->settings, &ctx->files, &why);
	if (fresh)
		swap(ctx, fresh);
	else
		complain(ctx, &why);
}

static void look_for_changes(struct tls_context *ctx)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (atomic_load(&ctx->frozen) || now.tv_sec < ctx->next_look ||
		atomic_flag_test_and_set(&ctx->busy))
		return;
	atomic_store(&ctx->next_look, now.tv_sec + 1);
	/* Nobody but who has the flag changes which one is current. */
	if (files_changed(&ctx->files) || trust_changed(ctx->current->trust))
		read_again(ctx);
	atomic_flag_clear(&ctx->busy);
}

struct context *context_get(struct tls_context *ctx)
{
	struct context *c;

	look_for_changes(ctx);
	pthread_mutex_lock(&lock);
	c = ctx->current;
	atomic_fetch_add(&c->refs, 1);
	pthread_mutex_unlock(&lock);
	return c;
}

void context_preload(struct tls_context *ctx)
{
	struct context *c;

	atomic_store(&ctx->frozen, true);
	c = context_get(ctx);
	trust_preload(c->trust);
	context_put(c);
}

void context_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
}
