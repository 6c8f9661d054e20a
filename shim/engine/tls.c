/* SPDX-License-Identifier: MIT */
/*
 * The table that engine.so exports, and the first use of OpenSSL.  Each entry
 * keeps errno for the program's sake and leaves the work to its module.
 */
#include "engine/api.h"

#include <dlfcn.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include "engine/arena.h"
#include "engine/context.h"
#include "engine/failure.h"
#include "engine/session.h"
#include "engine/thread_end.h"
#include "engine/tickets.h"
#include "engine/transfer.h"
#include "engine/trust.h"
#include "engine/wire.h"

static void *crypto_alloc(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return arena_alloc(size);
}

static void *crypto_realloc(
	void *block, size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return arena_realloc(block, size);
}

static void crypto_free(void *block, const char *file, int line)
{
	(void)file, (void)line;
	arena_free(block);
}

/*
 * Is OpenSSL linked into this very object?  With ENGINE=shared it is the
 * program's too, and its memory functions are not ours to choose.
 */
static bool owns_openssl(void)
{
	Dl_info ours, openssl;

	return dladdr(&tlsshim_engine, &ours) &&
	       dladdr((void *)(uintptr_t)CRYPTO_malloc, &openssl) &&
	       ours.dli_fbase == openssl.dli_fbase;
}

static bool is_set_up;

/* The system's openssl.cnf is read here.  No atexit handler: the relay and
 * the flush at exit need OpenSSL longer than any order of handlers allows. */
static void set_up(void)
{
	if (owns_openssl())
		CRYPTO_set_mem_functions(
			crypto_alloc, crypto_realloc, crypto_free);
	is_set_up = OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL) &&
		    wire_setup() && trust_setup();
}

static struct tls_context *engine_context_new(
	const struct tls_settings *settings, struct tls_failure *why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct tls_context *ctx = NULL;
	int saved = errno;

	pthread_once(&once, set_up);
	if (is_set_up)
		ctx = context_new(settings, why);
	else
		failure_set(
			why, TLS_FAIL_SETUP, "OpenSSL cannot be initialised");
	errno = saved;
	return ctx;
}

static void engine_context_preload(struct tls_context *ctx)
{
	int saved = errno;

	context_preload(ctx);
	errno = saved;
}

static struct tls_session *engine_session_new(struct tls_context *ctx,
	const struct tls_identity *id, const struct tls_transport *transport,
	void *owner)
{
	int saved = errno;
	struct tls_session *s = session_new(ctx, id, transport, owner);

	errno = saved;
	return s;
}

static void engine_session_free(struct tls_session *s)
{
	int saved = errno;

	session_free(s);
	errno = saved;
}

static enum tls_result engine_handshake(struct tls_session *s)
{
	int saved = errno;
	enum tls_result result = session_handshake(s);

	errno = saved;
	return result;
}

static enum tls_result engine_readv(
	struct tls_session *s, const struct iovec *iov, int n_iov, size_t *done)
{
	int saved = errno;
	enum tls_result result = transfer_readv(s, iov, n_iov, done);

	errno = saved;
	return result;
}

static enum tls_result engine_probe(struct tls_session *s)
{
	int saved = errno;
	enum tls_result result = transfer_probe(s);

	errno = saved;
	return result;
}

static enum tls_result engine_fill(
	struct tls_session *s, size_t want, size_t *avail)
{
	int saved = errno;
	enum tls_result result = transfer_fill(s, want, avail);

	errno = saved;
	return result;
}

static enum tls_result engine_writev(
	struct tls_session *s, const struct iovec *iov, int n_iov, size_t *done)
{
	int saved = errno;
	enum tls_result result = transfer_writev(s, iov, n_iov, done);

	errno = saved;
	return result;
}

static enum tls_result engine_flush(struct tls_session *s)
{
	int saved = errno;
	enum tls_result result = session_flush(s);

	errno = saved;
	return result;
}

static size_t engine_pending_out(const struct tls_session *s)
{
	return wire_pending(&s->wire);
}

static enum tls_result engine_shutdown(struct tls_session *s)
{
	int saved = errno;
	enum tls_result result = session_shutdown(s);

	errno = saved;
	return result;
}

static const struct tls_failure *engine_failure(const struct tls_session *s)
{
	return &s->failure;
}

static uint64_t engine_received(const struct tls_session *s)
{
	return s->received;
}

static void engine_info(const struct tls_session *s, struct tls_info *info)
{
	int saved = errno;

	session_info(s, info);
	errno = saved;
}

/* OpenSSL's random numbers notice the fork by themselves. */
static void engine_fork_child(void)
{
	thread_end_fork_child();
	arena_fork_child();
	tickets_fork_child();
	context_fork_child();
}

__attribute__((visibility("default")))
const struct tls_engine tlsshim_engine = {
	.abi = TLS_ENGINE_ABI,
	.context_new = engine_context_new,
	.context_preload = engine_context_preload,
	.session_new = engine_session_new,
	.session_free = engine_session_free,
	.handshake = engine_handshake,
	.readv = engine_readv,
	.probe = engine_probe,
	.pending_in = transfer_pending_in,
	.fill = engine_fill,
	.peekv = transfer_peekv,
	.writev = engine_writev,
	.flush = engine_flush,
	.pending_out = engine_pending_out,
	.shutdown = engine_shutdown,
	.rest = session_rest,
	.failure = engine_failure,
	.received = engine_received,
	.info = engine_info,
	.copy_begin = thread_end_hold,
	.copy_end = thread_end_release,
	.fork_child = engine_fork_child,
	.memory = arena_each,
};
